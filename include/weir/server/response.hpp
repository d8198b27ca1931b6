// What a route answers to a plain HTTP request.
#pragma once

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

} // namespace weir::inline v0
