// The server's half of the opening handshake (RFC 6455, section 4.2): judging the request, and the response.
//
// No state and no I/O. Whether the Origin is welcome is another question: protocol/ws/origin.hpp.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/core/result.hpp>
#include <weir/core/sequence.hpp>
#include <weir/protocol/http/request_head.hpp>
#include <weir/protocol/http/response_head.hpp>
#include <weir/protocol/ws/accept_key.hpp>
#include <weir/protocol/ws/extension.hpp>
#include <weir/protocol/ws/handshake_fields.hpp>
#include <weir/protocol/ws/handshake_refusal.hpp>

#include <span>
#include <string>
#include <string_view>

namespace weir::inline v0::ws {

// Whether the request opens a handshake that can be accepted; if not, how to refuse it.
[[gnu::cold]] inline handshake_refusal check_request(const http::request_head& request) {
    using http::status;
    const http::fields& got = request.fields;
    if (request.method != "GET")
        return {errc::bad_method, status::method_not_allowed, "A WebSocket handshake must be a GET request."};
    if (!got.has_token("Upgrade", "websocket"))
        return {errc::not_an_upgrade, status::upgrade_required,
                "This is a WebSocket endpoint; the request has no Upgrade: websocket. Use a WebSocket client."};
    if (!got.has_token("Connection", "upgrade"))
        return {errc::not_an_upgrade, status::bad_request,
                "The request has no Connection: Upgrade; a proxy on the way may have removed it."};
    if (request.version_minor < 1)
        return {errc::bad_version, status::bad_request, "A WebSocket handshake must be an HTTP/1.1 request."};
    if (got.count("Host") != 1 || got.get("Host")->empty())
        return {errc::bad_host, status::bad_request, "The request must have one Host field."};
    if (got.count("Sec-WebSocket-Version") != 1 || *got.get("Sec-WebSocket-Version") != "13")
        return {errc::bad_websocket_version, status::upgrade_required, "Sec-WebSocket-Version must be 13."};
    if (got.count("Sec-WebSocket-Key") != 1 || !is_handshake_key(*got.get("Sec-WebSocket-Key")))
        return {errc::bad_websocket_key, status::bad_request, "Sec-WebSocket-Key must be 16 bytes in base64."};
    if (got.count("Transfer-Encoding") != 0 || got.count("Content-Length") > 1 ||
        got.get("Content-Length").value_or("0") != "0")
        return {errc::bad_framing, status::bad_request, "A WebSocket handshake has no body."};
    if (!got.each_element("Sec-WebSocket-Protocol", [](std::string_view each) { return http::is_token(each); }))
        return {errc::bad_subprotocol, status::bad_request, "Sec-WebSocket-Protocol must be a list of tokens."};
    if (!extensions_well_formed(got)) // RFC 6455, section 9.1
        return {errc::bad_extension_parameters, status::bad_request, "Sec-WebSocket-Extensions is malformed."};
    return {};
}

// The subprotocols that the client offers, the one it prefers first. Views into `request`.
template <class = void>
[[gnu::cold]] sequence<std::string_view> offered_subprotocols(const http::request_head& request) {
    sequence<std::string_view> offered;
    request.fields.each_element("Sec-WebSocket-Protocol",
                                [&](std::string_view each) { return offered.push_back(each), true; });
    return offered;
}

// Whether the client offers that subprotocol.
[[gnu::cold]] inline bool offers_subprotocol(const http::request_head& request, std::string_view name) {
    return !request.fields.each_element("Sec-WebSocket-Protocol", [&](std::string_view each) { return each != name; });
}

// The first of `supported`, a list of texts, that the client offers too; empty when there is none. A view of `supported`.
template <class List = std::span<const std::string_view>>
[[gnu::cold]] std::string_view choose_subprotocol(const http::request_head& request, const List& supported) {
    for (const std::string_view each : supported)
        if (offers_subprotocol(request, each)) return each;
    return {};
}

// The response that accepts a request that `check_request` had nothing against: 101 with the chosen subprotocol (empty:
// none), the agreed extensions (empty: none) and further fields. bad_subprotocol for one that was not offered,
// bad_field for a field that cannot be sent.
[[gnu::cold]] inline result<http::response_head> make_response(const http::request_head& request, std::string_view subprotocol = {},
                                                 std::span<const http::field> fields = {},
                                                 std::string_view extensions = {}) {
    http::response_head response;
    response.status = http::status::switching_protocols;
    response.fields.add("Upgrade", "websocket");
    response.fields.add("Connection", "Upgrade");
    response.fields.add("Sec-WebSocket-Accept", accept_key(request.fields.get("Sec-WebSocket-Key").value_or("")));
    if (!subprotocol.empty()) {
        if (!offers_subprotocol(request, subprotocol))
            return error(errc::bad_subprotocol, concat({"choosing \"", subprotocol, "\""}));
        response.fields.add("Sec-WebSocket-Protocol", subprotocol);
    }
    if (!extensions.empty() && !response.fields.add("Sec-WebSocket-Extensions", extensions)) return errc::bad_extension;
    if (auto added = add_application_fields(response.fields, fields); !added) return std::move(added).error();
    return response;
}

} // namespace weir::inline v0::ws
