// The WebSocket connections of a server whose handlers run or that are being closed: so that it can end them when it stops.
//
// Loop thread only.
#pragma once

#include <weir/coro/shield.hpp>
#include <weir/coro/task.hpp>
#include <weir/transport/websocket.hpp>

namespace weir::inline v0::detail {

class open_websockets {
public:
    // `count` is where their number stands.
    explicit open_websockets(std::size_t& count) noexcept : x_count(count) { x_count = 0; }

    // One of them. It may be moved while nothing on it is awaited; what is left then is only to be destroyed, and at once.
    class entry : public list_node<entry> {
    public:
        entry(open_websockets& among, websocket made) noexcept : ws(std::move(made)), x_among(among) {
            join();
            if (among.x_closing) among.close(ws);
        }
        entry(entry&& other) noexcept : ws(std::move(other.ws)), x_among(other.x_among) { join(); }
        ~entry() { --x_among.x_count; }

        open_websockets& among() const noexcept { return x_among; }

        websocket ws;

    private:
        void join() noexcept {
            x_among.x_all.push_back(*this);
            ++x_among.x_count;
        }

        open_websockets& x_among;
    };

    // Closes all, and those that come from now on, with 1001.
    [[gnu::cold]] void close() noexcept {
        x_closing = true;
        for (entry* each = x_all.front(); each; each = x_all.after(*each)) close(each->ws);
    }

    [[gnu::cold]] void reset() noexcept {
        for (entry* each = x_all.front(); each; each = x_all.after(*each)) each->ws.reset();
    }

    // Who the oldest of them is, for a log.
    [[gnu::cold]] std::string where() const { return x_all.front() ? x_all.front()->ws.where() : std::string(); }

    // Closes one whose handler has ended. A coroutine of its own, since what it needs is needed at the end only.
    [[gnu::cold]] static task<> say_goodbye(websocket& ws, ws::close_code code) { co_await shield(ws.close(code)); }

private:
    [[gnu::cold]] static void close(websocket& ws) noexcept { ws.close(ws::close_code::going_away, "the server is stopping"); }

    list<entry> x_all;
    std::size_t& x_count;
    bool x_closing = false;
};

} // namespace weir::inline v0::detail
