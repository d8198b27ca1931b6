// What a server has at which path, and what all its connections share.
//
// Paths are compared letter for letter with the request's path as it was sent, percent-encoded and without its query:
// "/caf%C3%A9", not "/café", and "/a" is not "/a/". Filled before the server runs, and not changed after that.
#pragma once

#include <weir/core/shared.hpp>
#include <weir/server/companion.hpp>
#include <weir/server/http_connection.hpp>
#include <weir/server/options.hpp>
#include <weir/server/websocket_route.hpp>

namespace weir::inline v0::detail {

class routes {
public:
    routes() noexcept = default;
    routes(const routes&) = delete;
    routes& operator=(const routes&) = delete;
    [[gnu::cold]] ~routes() {
        while (websocket_route* each = x_websockets.pop_front()) delete each;
    }

    websocket_route& add(owned<websocket_route> route) {
        assert(is_path(route->path()) && "a path begins with '/' and has no query; other characters are percent-encoded");
        assert(!websocket_at(route->path()) && "two handlers for WebSockets at one path");
        websocket_route* const added = route.release();
        x_websockets.push_back(*added);
        return *added;
    }

    // Null where there is none.
    websocket_route* websocket_at(std::string_view path) const noexcept {
        for (websocket_route* each = x_websockets.front(); each; each = x_websockets.after(*each))
            if (each->path() == path) return each;
        return nullptr;
    }

private:
    static bool is_path(std::string_view text) noexcept {
        return text.starts_with('/') && http::is_target(text) && text.find_first_of("?#") == text.npos;
    }

    list<websocket_route> x_websockets; // owned
};

// What the connections of a server look at.
struct server_setup {
    server_setup() noexcept = default;
    server_setup(const server_setup&) = delete;
    server_setup& operator=(const server_setup&) = delete;
    ~server_setup() {
        while (companion* each = beside.pop_front()) delete each;
    }

    routes table;
    owned<plain_requests> plain; // null: there are none
    server_options options;
    shared<const websocket_options> websocket;
    list<companion> beside; // owned

    void note(log_level level, std::string_view what, std::string_view at = {}, std::error_code why = {}) const {
        options.log({level, what, at, why, 0});
    }
};

} // namespace weir::inline v0::detail
