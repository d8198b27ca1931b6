// How a server refuses a handshake: the reason for its own log, and the HTTP response that tells the client.
#pragma once

#include <weir/core/errc.hpp>
#include <weir/protocol/http/response_head.hpp>

#include <string_view>

namespace weir::inline v0::ws {

struct handshake_refusal {
    errc reason = {};                                 // errc{}: nothing to refuse
    http::status status = http::status::bad_request;
    std::string_view sentence = {};                   // for the body, without a line end; static text

    explicit operator bool() const noexcept { return reason != errc{}; }

    // The head of the response, with the fields that its status asks for. Content-Length and the like are added by
    // whoever writes the body.
    [[gnu::cold]] http::response_head head() const {
        http::response_head response;
        response.status = status;
        if (status == http::status::method_not_allowed) response.fields.add("Allow", "GET");
        if (status == http::status::upgrade_required) { // RFC 9110 section 15.5.22, RFC 6455 section 4.4
            response.fields.add("Upgrade", "websocket");
            response.fields.add("Connection", "Upgrade");
            response.fields.add("Sec-WebSocket-Version", "13");
        }
        return response;
    }
};

} // namespace weir::inline v0::ws
