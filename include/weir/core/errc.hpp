// The codes of what can go wrong.
//
// `errc` names each failure finely, for logs and tests; `condition` groups them coarsely, for program logic
// (`if (error == weir::condition::timeout)`). Failures of the operating system stay `std::system_category` codes and
// compare with the same conditions.
#pragma once

#include <weir/core/version.hpp>

#include <string>
#include <system_error>

namespace weir::inline v0 {

enum class errc {
    // any operation
    canceled = 1,        // the operation's context was cancelled, or its scope left
    timed_out,           // a deadline passed
    busy,                // the same operation already waits on this object (a second read, a second join)
    closed,              // the connection, channel, queue or server is closed
    end_of_stream,       // the peer ended the byte stream where more was due
    buffer_full,         // a bounded buffer would have grown over its bound
    unsupported,         // not available in this build or on this system; the detail names what is missing
    no_loop,             // an asynchronous operation was started on a thread that runs no loop
    no_thread,           // a helper thread was needed and could not be started
    task_threw,          // an exception ended a task that was to run beside others: a server's connections, a test's hosts

    // URLs (RFC 3986, RFC 6455 section 3)
    bad_url = 100,       // not a URL, or a character that a URL may not hold
    bad_scheme,          // the scheme is not one that the caller can use
    bad_host,            // an empty or malformed host
    bad_port,            // a port that is no number from 1 to 65535
    url_has_fragment,    // RFC 6455 section 3 forbids '#' in a WebSocket URL

    // HTTP messages (RFC 9110, RFC 9112)
    bad_request_line = 200,
    bad_status_line,
    bad_version,         // not HTTP/1.0 or HTTP/1.1
    bad_field,           // a malformed field line
    head_too_large,      // more bytes in a head than the limit
    too_many_fields,     // more field lines than the limit
    bad_framing,         // Content-Length and Transfer-Encoding that contradict each other or make no sense
    bad_chunk,           // a malformed chunk of a chunked body
    body_too_large,      // more bytes in a body than the limit
    target_too_long,     // a request line longer than the limit
    unknown_coding,      // a transfer coding other than chunked

    // the opening handshake (RFC 6455 section 4)
    not_an_upgrade = 300, // no Upgrade: websocket with Connection: upgrade
    bad_method,          // a handshake that is not a GET
    bad_websocket_version, // Sec-WebSocket-Version is not 13
    bad_websocket_key,   // Sec-WebSocket-Key is missing, doubled, or not 16 bytes of base64
    bad_accept_key,      // Sec-WebSocket-Accept does not match the key that was sent
    unexpected_status,   // the server did not answer 101
    bad_subprotocol,     // a subprotocol that was not offered, or several
    bad_extension,       // an extension that was not offered
    origin_refused,      // the Origin is not one that the server serves
    bad_extension_parameters, // extensions that are malformed, or whose parameters make no sense or were not offered
    bad_redirect,        // a redirect to what is no URL, or to where it may not lead
    too_many_redirects,  // more redirects than the limit

    // WebSocket frames (RFC 6455 sections 5 to 8)
    reserved_bits = 400, // RSV1, RSV2 or RSV3 set without an extension that defines it
    reserved_opcode,     // opcodes 3-7 and 11-15
    fragmented_control,  // a control frame without FIN
    long_control,        // a control frame of more than 125 bytes
    long_length_form,    // a payload length not in its shortest form
    bad_length,          // a 64-bit payload length with its highest bit set
    mask_missing,        // an unmasked frame from a client
    mask_unexpected,     // a masked frame from a server
    unexpected_continuation, // a continuation frame with no message to continue
    expected_continuation, // a new message before the last one ended
    bad_utf8,            // text, or a close reason, that is not UTF-8
    bad_close_payload,   // a close frame with a payload of one byte
    bad_close_code,      // a close code that may not be sent
    message_too_large,   // a message over the limit
    frame_too_large,     // a frame over the limit
    too_many_fragments,  // a message of more frames than the limit
    too_many_controls,   // more pings and pongs than the limit
    data_after_close,    // a frame after the close frame
    send_out_of_order,   // sending a piece that does not continue the message under way
    bad_compression,     // a message that is marked as compressed and cannot be decompressed (RFC 7692)

    // channels (protocol/channel/README.md)
    bad_record = 450,    // a record that makes no sense where it stands
    record_missing,      // a message whose number is not the next
    unknown_session,     // no such session, or not any more
    session_taken_over,  // another request or connection carries the session now
    messages_gone,       // what was missed is not kept any more
    session_refused,     // a server that answers, but will not carry a session; the context has its status
    session_lost,        // the server does not know our session any more; what it had not acknowledged may have arrived or not

    // names and addresses
    name_not_found = 500, // the name does not resolve
    name_unavailable,    // the resolver failed for now
    bad_address,         // not an address

    // proxies
    bad_proxy = 520,     // a proxy's URL that makes no sense
    proxy_refused,       // a proxy that answers, but does not connect us; the context has its answer
    proxy_unauthorized,  // a proxy that wants to know who we are, or does not believe it
    bad_proxy_answer,    // an answer of a proxy that makes no sense

    // TLS (RFC 8446, RFC 5246, RFC 5280)
    tls_failed = 550,    // a handshake that failed; the context says why
    tls_refused,         // the peer refused it, or ended it, by an alert; the context has its name
    tls_version,         // no version of TLS that both sides speak
    tls_truncated,       // the stream below ended, and the peer had not said that it would
    tls_corrupt,         // a record that was changed on its way, or makes no sense
    tls_renegotiation,   // the peer wanted to renegotiate
    not_tls,             // what came is not TLS
    bad_credentials,     // a certificate, a key or a list of our own that cannot be used
    certificate_missing, // the peer has to have a certificate, and has none
    certificate_expired,
    certificate_not_yet_valid,
    certificate_self_signed,
    certificate_untrusted,  // it was issued by somebody who is not trusted, or its chain is not complete
    certificate_wrong_host, // it is for other names
    certificate_revoked,
    certificate_not_pinned, // its key is not one that was asked for
    certificate_rejected,   // anything else that is wrong with it

    // tests
    injected = 600,      // a failure that a test asked for
    check_failed,        // what a test wanted to hold does not
    stalled,             // everybody waits for what nobody does
};

// The coarse kinds, for program logic.
enum class condition {
    canceled = 1,  // somebody asked for it to end
    timeout,       // a deadline passed
    disconnected,  // the peer or the network ended the connection
    protocol,      // the peer broke a protocol
    limit,         // something was larger than a limit allows
    misuse,        // the caller asked for something that cannot be
    unreachable,   // the peer could not be found, reached or spoken to
    untrusted,     // the peer could not prove who it is
};

namespace detail {

[[gnu::cold]] inline const char* describe(errc code) noexcept {
    switch (code) {
    case errc::canceled: return "canceled";
    case errc::timed_out: return "timed out";
    case errc::busy: return "the same operation is already waiting on this object";
    case errc::closed: return "closed";
    case errc::end_of_stream: return "the peer ended the connection";
    case errc::buffer_full: return "a bounded buffer is full";
    case errc::unsupported: return "not supported here";
    case errc::no_loop: return "no loop runs on this thread";
    case errc::no_thread: return "a thread could not be started";
    case errc::task_threw: return "an exception ended a task";
    case errc::bad_url: return "malformed URL";
    case errc::bad_scheme: return "URL scheme not supported";
    case errc::bad_host: return "malformed host in URL";
    case errc::bad_port: return "port is not a number from 1 to 65535";
    case errc::url_has_fragment: return "a WebSocket URL may not have a fragment";
    case errc::bad_request_line: return "malformed HTTP request line";
    case errc::bad_status_line: return "malformed HTTP status line";
    case errc::bad_version: return "unsupported HTTP version";
    case errc::bad_field: return "malformed HTTP field";
    case errc::head_too_large: return "HTTP head too large";
    case errc::too_many_fields: return "too many HTTP fields";
    case errc::bad_framing: return "contradictory HTTP message length";
    case errc::bad_chunk: return "malformed chunk in HTTP body";
    case errc::body_too_large: return "HTTP body too large";
    case errc::target_too_long: return "HTTP request line too long";
    case errc::unknown_coding: return "unknown transfer coding";
    case errc::not_an_upgrade: return "not a WebSocket upgrade";
    case errc::bad_method: return "a WebSocket handshake must be a GET";
    case errc::bad_websocket_version: return "Sec-WebSocket-Version must be 13";
    case errc::bad_websocket_key: return "Sec-WebSocket-Key must be 16 bytes in base64";
    case errc::bad_accept_key: return "Sec-WebSocket-Accept does not match the key";
    case errc::unexpected_status: return "the server did not switch protocols";
    case errc::bad_subprotocol: return "the server chose a subprotocol that was not offered";
    case errc::bad_extension: return "the server chose an extension that was not offered";
    case errc::origin_refused: return "origin not allowed";
    case errc::bad_extension_parameters: return "malformed extensions, or parameters that do not fit";
    case errc::bad_redirect: return "a redirect that cannot be followed";
    case errc::too_many_redirects: return "too many redirects";
    case errc::reserved_bits: return "reserved bits set";
    case errc::reserved_opcode: return "reserved opcode";
    case errc::fragmented_control: return "fragmented control frame";
    case errc::long_control: return "control frame over 125 bytes";
    case errc::long_length_form: return "payload length not in its shortest form";
    case errc::bad_length: return "payload length over 63 bits";
    case errc::mask_missing: return "unmasked frame from a client";
    case errc::mask_unexpected: return "masked frame from a server";
    case errc::unexpected_continuation: return "continuation without a message";
    case errc::expected_continuation: return "new message inside a message";
    case errc::bad_utf8: return "text is not valid UTF-8";
    case errc::bad_close_payload: return "close payload of one byte";
    case errc::bad_close_code: return "close code not allowed";
    case errc::message_too_large: return "message over the limit";
    case errc::frame_too_large: return "frame over the limit";
    case errc::too_many_fragments: return "message in too many frames";
    case errc::too_many_controls: return "too many pings and pongs";
    case errc::data_after_close: return "frame after the close frame";
    case errc::send_out_of_order: return "a piece that does not continue the message being sent";
    case errc::bad_compression: return "message cannot be decompressed";
    case errc::bad_record: return "malformed record";
    case errc::record_missing: return "a message is missing before this one";
    case errc::unknown_session: return "unknown session";
    case errc::session_taken_over: return "another connection has taken over the session";
    case errc::messages_gone: return "messages that are not kept any more";
    case errc::session_refused: return "refused by the server";
    case errc::session_lost: return "the server has lost the session";
    case errc::name_not_found: return "name not found";
    case errc::name_unavailable: return "name resolution failed for now";
    case errc::bad_address: return "malformed address";
    case errc::bad_proxy: return "malformed proxy";
    case errc::proxy_refused: return "refused by the proxy";
    case errc::proxy_unauthorized: return "the proxy asks for other credentials";
    case errc::bad_proxy_answer: return "an answer of the proxy that makes no sense";
    case errc::tls_failed: return "the TLS handshake failed";
    case errc::tls_refused: return "refused by the peer";
    case errc::tls_version: return "no version of TLS that both sides speak";
    case errc::tls_truncated: return "the connection ended, and the peer had not said so: something may be missing";
    case errc::tls_corrupt: return "a TLS record was changed on its way";
    case errc::tls_renegotiation: return "the peer wanted to renegotiate";
    case errc::not_tls: return "the peer does not speak TLS here";
    case errc::bad_credentials: return "it cannot be used for TLS";
    case errc::certificate_missing: return "the peer has no certificate";
    case errc::certificate_expired: return "the certificate has expired";
    case errc::certificate_not_yet_valid: return "the certificate is not valid yet";
    case errc::certificate_self_signed: return "the certificate is self-signed";
    case errc::certificate_untrusted: return "the certificate comes from an unknown authority";
    case errc::certificate_wrong_host: return "the certificate is for another host";
    case errc::certificate_revoked: return "the certificate was revoked";
    case errc::certificate_not_pinned: return "the key of the certificate is not one that was asked for";
    case errc::certificate_rejected: return "the certificate cannot be accepted";
    case errc::injected: return "failure injected by a test";
    case errc::check_failed: return "a check failed";
    case errc::stalled: return "everybody waits, and nothing is left that could happen";
    }
    return "unknown weir error";
}

// The condition that a fine code belongs to.
[[gnu::cold]] inline condition kind_of(errc code) noexcept {
    switch (code) {
    case errc::canceled: return condition::canceled;
    case errc::timed_out: return condition::timeout;
    case errc::closed:
    case errc::end_of_stream:
    case errc::session_lost:
    case errc::tls_truncated:
    case errc::injected: return condition::disconnected;
    case errc::buffer_full:
    case errc::head_too_large:
    case errc::too_many_fields:
    case errc::body_too_large:
    case errc::target_too_long:
    case errc::no_thread:
    case errc::message_too_large:
    case errc::frame_too_large:
    case errc::too_many_fragments:
    case errc::too_many_controls:
    case errc::too_many_redirects: return condition::limit;
    case errc::busy:
    case errc::unsupported:
    case errc::no_loop:
    case errc::task_threw:
    case errc::bad_url:
    case errc::bad_scheme:
    case errc::bad_host:
    case errc::bad_port:
    case errc::url_has_fragment:
    case errc::bad_address:
    case errc::bad_proxy:
    case errc::bad_credentials:
    case errc::send_out_of_order:
    case errc::check_failed:
    case errc::stalled: return condition::misuse;
    case errc::session_refused:
    case errc::proxy_refused:
    case errc::proxy_unauthorized:
    case errc::name_not_found:
    case errc::name_unavailable:
    case errc::tls_refused:
    case errc::tls_version: return condition::unreachable;
    case errc::certificate_missing:
    case errc::certificate_expired:
    case errc::certificate_not_yet_valid:
    case errc::certificate_self_signed:
    case errc::certificate_untrusted:
    case errc::certificate_wrong_host:
    case errc::certificate_revoked:
    case errc::certificate_not_pinned:
    case errc::certificate_rejected: return condition::untrusted;
    default: return condition::protocol;
    }
}

class weir_category final : public std::error_category {
public:
    const char* name() const noexcept override { return "weir"; }
    [[gnu::cold]] std::string message(int code) const override { return describe(static_cast<errc>(code)); }
};

// Maps weir's codes and the operating system's onto the conditions.
class weir_condition_category final : public std::error_category {
public:
    const char* name() const noexcept override { return "weir condition"; }
    [[gnu::cold]] std::string message(int value) const override {
        switch (static_cast<condition>(value)) {
        case condition::canceled: return "canceled";
        case condition::timeout: return "timed out";
        case condition::disconnected: return "disconnected";
        case condition::protocol: return "protocol violated";
        case condition::limit: return "limit exceeded";
        case condition::misuse: return "misuse";
        case condition::unreachable: return "unreachable";
        case condition::untrusted: return "untrusted";
        }
        return "unknown weir condition";
    }
    [[gnu::cold]] bool equivalent(const std::error_code& code, int value) const noexcept override;
};

} // namespace detail

// weir's own category, for codes made from `errc`.
[[gnu::noinline]] inline const std::error_category& error_category() noexcept {
    static const detail::weir_category category;
    return category;
}

// The category of `condition`.
inline const std::error_category& condition_category() noexcept {
    static const detail::weir_condition_category category;
    return category;
}

inline std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), error_category()}; }

inline std::error_condition make_error_condition(condition kind) noexcept {
    return {static_cast<int>(kind), condition_category()};
}

inline bool detail::weir_condition_category::equivalent(const std::error_code& code, int value) const noexcept {
    const auto kind = static_cast<condition>(value);
    if (code.category() == weir::error_category()) return kind_of(static_cast<errc>(code.value())) == kind;
    switch (kind) {
    case condition::canceled: return code == std::errc::operation_canceled;
    case condition::timeout: return code == std::errc::timed_out;
    case condition::disconnected:
        return code == std::errc::connection_reset || code == std::errc::broken_pipe ||
               code == std::errc::connection_aborted || code == std::errc::not_connected;
    case condition::unreachable:
        return code == std::errc::connection_refused || code == std::errc::host_unreachable ||
               code == std::errc::network_unreachable || code == std::errc::no_such_file_or_directory;
    default: return false;
    }
}

} // namespace weir::inline v0

template <>
struct std::is_error_code_enum<weir::errc> : std::true_type {};
template <>
struct std::is_error_condition_enum<weir::condition> : std::true_type {};
