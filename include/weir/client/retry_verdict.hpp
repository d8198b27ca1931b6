// Whether another attempt may fare better: what a reconnecting session does unless its program decides otherwise.
//
//     opening has failed                                                           another attempt
//       by the operating system: refused, reset, unreachable, no such socket, ...    yes
//       by a name that is not found, or could not be looked up now                   yes: so it is without a network, too
//       by a deadline, or the end of the stream                                      yes
//       by a server's status: 408, 425, 429, 5xx                                     yes
//                             any other                                              no
//       by a proxy: its status is a 4xx other than these, or it wants a login        no
//                   any other answer by which it does not connect us                 yes
//                   an answer that makes no sense                                    no
//       by what is no HTTP, no handshake, or a redirect that leads nowhere           no
//       by a certificate that is not valid yet                                       yes: our clock may not be set yet
//                     that is not believed for any other reason                      no
//       by TLS that cannot be agreed upon                                            no
//       by a URL, a field, a proxy or an option that makes no sense                  no
//
//     a connection has ended                                                       another attempt
//       by a reset, silence, or without a close frame                                yes
//       by this side, which asks for the next one all the same                       yes
//       by what it had to send and could not: more than `queue_bytes`                yes
//       by a message over a limit, or a rule that the peer broke                     no
//       by the peer, with 1000 (normal closure)                                      no
//                         1001 (going away), or no code                              yes
//                         1002, 1003, 1007, 1008, 1009, 1010: it refuses what we do  no
//                         1011, 1012, 1013, 1014: it cannot now                      yes
//                         3000 (unauthorized), 3003 (forbidden)                      no
//                         any other of 3000 to 4999, which programs know better      yes
#pragma once

#include <weir/client/connect_options.hpp>
#include <weir/transport/close_info.hpp>

namespace weir::inline v0::detail {

// For an attempt that failed; `answer` is that of the server or proxy that refused, if one did.
template <class = void>
[[gnu::cold]] bool is_worth_another(const error& why, const connect_refusal& answer) noexcept {
    const bool by_proxy = why == errc::proxy_refused;
    if (by_proxy || why == errc::unexpected_status) {
        const unsigned status = http::to_number(answer.head.status); // 200 where there was none: SOCKS has no such thing
        return status >= 500 || status == 408 || status == 425 || status == 429 || (by_proxy && status < 400);
    }
    for (const errc each : {errc::proxy_unauthorized, errc::tls_refused, errc::tls_version, errc::canceled})
        if (why == each) return false;
    for (const errc each : {errc::certificate_not_yet_valid, errc::no_thread})
        if (why == each) return true;
    for (const condition each : {condition::protocol, condition::limit, condition::misuse, condition::untrusted})
        if (why == each) return false;
    return true;
}

// For a connection that has ended.
template <class = void>
[[gnu::cold]] bool is_worth_another(const close_info& end) noexcept {
    switch (end.cause) {
    case close_cause::peer: break;
    case close_cause::protocol_error: return false;
    case close_cause::limit: return end.error == make_error_code(errc::buffer_full);
    default: return true;
    }
    switch (static_cast<unsigned>(end.code)) {
    case 1000:
    case 1002:
    case 1003:
    case 1007:
    case 1008:
    case 1009:
    case 1010:
    case 3000:
    case 3003: return false;
    default: return true;
    }
}

} // namespace weir::inline v0::detail
