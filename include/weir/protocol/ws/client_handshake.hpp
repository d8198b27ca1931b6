// The client's half of the opening handshake (RFC 6455, section 4.1): the request, and judging the response.
//
// No state and no I/O: the request head that was sent is what the response is compared with. Errors carry a context
// that says what was found. Entropy is an argument.
#pragma once

#include <weir/core/result.hpp>
#include <weir/protocol/http/request_head.hpp>
#include <weir/protocol/http/response_head.hpp>
#include <weir/protocol/ws/accept_key.hpp>
#include <weir/protocol/ws/handshake_fields.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace weir::inline v0::ws {

// What a client asks for. Views: all of it is copied into the request.
struct client_offer {
    std::string_view host;                            // the Host field: "example.com", "[::1]:9001"
    std::string_view target = "/";                    // path and query, percent-encoded
    std::span<const std::string_view> subprotocols{}; // the preferred first; tokens, no two alike
    std::span<const http::field> fields{};            // further fields, such as Origin or Cookie
    std::string_view extensions = {};                 // the Sec-WebSocket-Extensions field; empty: none
};

// The request that opens the handshake. `entropy` makes its key and must be new and unpredictable. Fails with bad_host,
// bad_url, bad_subprotocol, bad_extension or bad_field for what cannot be sent.
template <class = void>
[[gnu::cold]] result<http::request_head> make_request(const client_offer& offer, std::span<const std::byte, 16> entropy) {
    http::request_head request;
    http::fields& fields = request.fields;
    if (!offer.target.starts_with('/') || !http::is_target(offer.target))
        return error(errc::bad_url, "the target \"" + std::string(offer.target) + "\" cannot be requested");
    request.target = offer.target;
    if (offer.host.empty() || !http::is_host_text(offer.host) || !fields.add("Host", offer.host)) return errc::bad_host;
    fields.add("Upgrade", "websocket");
    fields.add("Connection", "Upgrade");
    fields.add("Sec-WebSocket-Key", handshake_key(entropy));
    fields.add("Sec-WebSocket-Version", "13");
    std::string list;
    for (std::size_t i = 0; i < offer.subprotocols.size(); ++i) {
        const std::string_view each = offer.subprotocols[i];
        if (!http::is_token(each) || holds(offer.subprotocols.first(i), each))
            return error(errc::bad_subprotocol, "offering the subprotocol \"" + std::string(each) + "\"");
        list.append(list.empty() ? "" : ", ").append(each);
    }
    if (!list.empty()) fields.add("Sec-WebSocket-Protocol", list);
    if (!offer.extensions.empty() && !fields.add("Sec-WebSocket-Extensions", offer.extensions))
        return errc::bad_extension;
    if (auto added = add_application_fields(fields, offer.fields); !added) return std::move(added).error();
    return request;
}

namespace detail {

// The name of an extension, without its parameters.
constexpr std::string_view extension_name(std::string_view element) noexcept {
    return http::trim(element.substr(0, element.find(';')));
}

template <class = void>
[[gnu::cold]] error judge_subprotocol(const http::fields& sent, const http::fields& got) {
    const auto chosen = got.get("Sec-WebSocket-Protocol");
    if (!chosen) return {};
    if (got.count("Sec-WebSocket-Protocol") > 1) return {errc::bad_subprotocol, "two Sec-WebSocket-Protocol fields"};
    if (!sent.each_element("Sec-WebSocket-Protocol", [&](std::string_view each) { return each != *chosen; })) return {};
    return {errc::bad_subprotocol, "Sec-WebSocket-Protocol: " + std::string(*chosen)};
}

template <class = void>
[[gnu::cold]] error judge_extensions(const http::fields& sent, const http::fields& got) {
    std::string_view stranger;
    got.each_element("Sec-WebSocket-Extensions", [&](std::string_view chosen) {
        const auto differs = [&](std::string_view each) { return extension_name(each) != extension_name(chosen); };
        if (sent.each_element("Sec-WebSocket-Extensions", differs)) stranger = chosen;
        return stranger.empty();
    });
    if (stranger.empty()) return {};
    return {errc::bad_extension, "Sec-WebSocket-Extensions: " + std::string(stranger)};
}

} // namespace detail

// Whether `response` accepts the handshake that `request` opened. The subprotocol that the server chose, empty for
// none: a view into `response`. The parameters of extensions are left to whoever offered them.
template <class = void>
[[gnu::cold]] result<std::string_view> check_response(const http::request_head& request, const http::response_head& response) {
    const http::fields& got = response.fields;
    if (response.status != http::status::switching_protocols) {
        std::string context = std::to_string(http::to_number(response.status)) + " ";
        context += response.reason.empty() ? http::reason_phrase(response.status) : std::string_view(response.reason);
        if (const auto location = got.get("Location")) context.append(", Location: ").append(*location);
        return error(errc::unexpected_status, std::move(context));
    }
    if (response.version_minor < 1) return error(errc::bad_version, "101 with HTTP/1.0");
    const auto upgrade = got.get("Upgrade");
    if (!upgrade) return error(errc::not_an_upgrade, "no Upgrade field");
    if (got.count("Upgrade") > 1 || !http::equal_ignoring_case(*upgrade, "websocket"))
        return error(errc::not_an_upgrade, "Upgrade: " + std::string(*upgrade));
    if (!got.has_token("Connection", "upgrade")) return error(errc::not_an_upgrade, "no Connection: Upgrade field");

    const auto accept = got.get("Sec-WebSocket-Accept");
    if (!accept) return error(errc::bad_accept_key, "no Sec-WebSocket-Accept field");
    const std::string expected = accept_key(request.fields.get("Sec-WebSocket-Key").value_or(""));
    if (got.count("Sec-WebSocket-Accept") > 1 || *accept != expected)
        return error(errc::bad_accept_key, "Sec-WebSocket-Accept: " + std::string(*accept) + ", not " + expected);

    if (error reason = detail::judge_subprotocol(request.fields, got)) return reason;
    if (error reason = detail::judge_extensions(request.fields, got)) return reason;
    return got.get("Sec-WebSocket-Protocol").value_or("");
}

} // namespace weir::inline v0::ws
