// What pages of other origins may ask of a server: cross-origin resource sharing (the Fetch standard, "CORS protocol").
//
// It is the browser that keeps to it: it asks before certain requests (the preflight), and shows a page no answer that does
// not name its origin. A policy owns its text.
#pragma once

#include <weir/core/concat.hpp>
#include <weir/protocol/http/request_head.hpp>

#include <span>
#include <string>
#include <string_view>

namespace weir::inline v0::http {

// Trivially copyable; whoever is given this copies what it keeps.
struct cors_options {
    // The origins whose pages may ask: "https://example.com", with the port unless it is the scheme's own. "*": all.
    std::span<const std::string_view> origins = {};

    // Methods that they may use. Empty: those that the path has.
    std::span<const std::string_view> methods = {};

    // Fields that their requests may have besides those that a form could send. "*": whatever the preflight asks for.
    std::span<const std::string_view> headers = {};

    // Fields of the answer that a page may see besides the common ones.
    std::span<const std::string_view> exposed = {};

    // Whether requests may come with cookies. Not together with "*" for origins, unless it is meant that any page may act
    // as the user whom the browser knows.
    bool credentials = false;

    // How long a browser may remember the answer to a preflight. Default: ten minutes; browsers have bounds of their own.
    unsigned max_age_seconds = 600;
};

class cors_policy {
public:
    template <class = void>
    explicit cors_policy(const cors_options& from)
        : x_origins(list(from.origins)), x_methods(list(from.methods)), x_headers(list(from.headers)),
          x_exposed(list(from.exposed)), x_max_age(from.max_age_seconds), x_credentials(from.credentials) {}

    // Whether the request is a preflight, which asks what another request may do.
    template <class = void>
    static bool is_preflight(const request_head& request) noexcept {
        return request.method == "OPTIONS" && request.fields.count("Origin") == 1 &&
               request.fields.count("Access-Control-Request-Method") == 1;
    }

    // Whether pages of the request's origin may ask.
    template <class = void>
    bool allows_origin(const request_head& request) const noexcept {
        if (x_origins == "*") return true;
        return request.fields.count("Origin") == 1 && has(x_origins, *request.fields.get("Origin"));
    }

    // Adds to an answer what lets a page of the request's origin see it.
    template <class = void>
    void add_to(fields& answer, const request_head& request) const {
        const bool open = x_origins == "*" && !x_credentials;
        if (!open && !answer.has_token("Vary", "Origin")) answer.add("Vary", "Origin");
        if (request.fields.count("Origin") != 1 || !allows_origin(request)) return;
        answer.set("Access-Control-Allow-Origin", open ? std::string_view("*") : *request.fields.get("Origin"));
        if (x_credentials) answer.set("Access-Control-Allow-Credentials", "true");
        if (!x_exposed.empty() && request.method != "OPTIONS") answer.set("Access-Control-Expose-Headers", x_exposed);
    }

    // The same for the answer to a preflight. `allow`: the methods of the path, for a policy that names none.
    template <class = void>
    void add_preflight(fields& answer, const request_head& request, std::string_view allow) const {
        add_to(answer, request);
        if (!allows_origin(request)) return;
        answer.set("Access-Control-Allow-Methods", x_methods.empty() ? allow : std::string_view(x_methods));
        const std::string_view asked = request.fields.get("Access-Control-Request-Headers").value_or("");
        if (x_headers == "*") {
            answer.add("Vary", "Access-Control-Request-Headers");
            if (!asked.empty()) answer.set("Access-Control-Allow-Headers", asked);
        } else if (!x_headers.empty()) {
            answer.set("Access-Control-Allow-Headers", x_headers);
        }
        answer.set("Access-Control-Max-Age", number_text(x_max_age));
    }

private:
    template <class = void>
    static std::string list(std::span<const std::string_view> names) {
        std::string all;
        for (const std::string_view each : names) {
            if (each == "*") return "*";
            all.append(all.empty() ? "" : ", ").append(each);
        }
        return all;
    }
    template <class = void>
    static bool has(std::string_view list, std::string_view what) noexcept {
        std::string_view each;
        while (next_element(list, each))
            if (equal_ignoring_case(each, what)) return true;
        return false;
    }

    std::string x_origins;
    std::string x_methods;
    std::string x_headers;
    std::string x_exposed;
    unsigned x_max_age;
    bool x_credentials;
};

} // namespace weir::inline v0::http
