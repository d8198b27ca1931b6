// What a route answers to a plain HTTP request.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/protocol/http/fields.hpp>
#include <weir/protocol/http/status.hpp>

#include <string>
#include <utility>

namespace weir::inline v0 {

// Owns its text. Content-Length and Connection are added when it is sent, and dropped where they stand among `fields`; a
// Content-Type there takes the place of `content_type`. The status is final: 200 to 599.
class response {
public:
    // Text, 200.
    response(std::string text) : body(std::move(text)) {}
    response(const char* text) : body(text) {}
    response(http::status code, std::string text = {}) : status(code), body(std::move(text)) {}
    response(std::string content, std::string type) : body(std::move(content)), content_type(std::move(type)) {}

    // A page, 200.
    static response html(std::string page) { return {std::move(page), "text/html; charset=utf-8"}; }

    http::status status = http::status::ok;
    std::string body;
    std::string content_type = "text/plain; charset=utf-8";
    http::fields fields; // further fields: `answer.fields.add("Retry-After", "5")`
};

namespace detail {

// Takes out of an answer what is not the application's to say. Gives what was wrong with it, or nothing.
[[gnu::cold]] inline std::string tidy(response& made) {
    std::string wrong;
    const unsigned code = http::to_number(made.status);
    if (code < 200 || code > 599) {
        wrong = concat({"an answer with the status ", number_text(code)});
        made = response(http::status::internal_server_error, "The server failed to answer.\n");
    }
    for (const std::string_view own : {"Content-Length", "Transfer-Encoding", "Connection"}) made.fields.remove(own);
    if (made.fields.count("Content-Type") > 0) made.content_type.clear();
    if (http::is_field_value(made.content_type)) return wrong;
    made.content_type.clear();
    return "an answer with a Content-Type that is none";
}

} // namespace detail

} // namespace weir::inline v0
