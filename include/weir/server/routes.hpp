// What a server has at which path, and what all its connections share.
//
// Paths are compared letter for letter with the request's path as it was sent, percent-encoded and without its query:
// "/caf%C3%A9", not "/café", and "/a" is not "/a/". Filled before the server runs, and not changed after that.
#pragma once

#include <weir/core/shared.hpp>
#include <weir/server/options.hpp>
#include <weir/server/websocket_route.hpp>

namespace weir::inline v0::detail {

struct get_route : list_node<get_route> {
    get_route(std::string_view at, owned<request_handler> by) : path(at), handler(std::move(by)) {}

    std::string path;
    owned<request_handler> handler;
};

class routes {
public:
    routes() noexcept = default;
    routes(const routes&) = delete;
    routes& operator=(const routes&) = delete;
    [[gnu::cold]] ~routes() {
        while (websocket_route* each = x_websockets.pop_front()) delete each;
        while (get_route* each = x_gets.pop_front()) delete each;
    }

    websocket_route& add(owned<websocket_route> route) {
        assert(is_path(route->path()) && "a path begins with '/' and has no query; other characters are percent-encoded");
        assert(!websocket_at(route->path()) && "two handlers for WebSockets at one path");
        websocket_route* const added = route.release();
        x_websockets.push_back(*added);
        return *added;
    }

    void add(std::string_view path, owned<request_handler> handler) {
        assert(is_path(path) && "a path begins with '/' and has no query; other characters are percent-encoded");
        assert(!get_at(path) && "two handlers for GET at one path");
        x_gets.push_back(*new get_route(path, std::move(handler)));
    }

    // Null where there is none.
    websocket_route* websocket_at(std::string_view path) const noexcept {
        for (websocket_route* each = x_websockets.front(); each; each = x_websockets.after(*each))
            if (each->path() == path) return each;
        return nullptr;
    }
    const get_route* get_at(std::string_view path) const noexcept {
        for (const get_route* each = x_gets.front(); each; each = x_gets.after(*each))
            if (each->path == path) return each;
        return nullptr;
    }

private:
    static bool is_path(std::string_view text) noexcept {
        return text.starts_with('/') && http::is_target(text) && text.find_first_of("?#") == text.npos;
    }

    list<websocket_route> x_websockets; // owned, as the next
    list<get_route> x_gets;
};

// What the connections of a server look at.
struct server_setup {
    routes table;
    server_options options;
    shared<const websocket_options> websocket;

    void note(log_level level, std::string_view what, std::string_view at = {}, std::error_code why = {}) const {
        options.log({level, what, at, why, 0});
    }
};

} // namespace weir::inline v0::detail
