// The WebSocket connections of a server whose handlers run or that are being closed: so that it can end them when it stops.
//
// Loop thread only.
#pragma once

#include <weir/coro/context.hpp>
#include <weir/coro/shield.hpp>
#include <weir/coro/task.hpp>
#include <weir/transport/websocket.hpp>

namespace weir::inline v0::detail {

// The context of what serves them: whoever knows that knows where they are kept.
class open_websockets : public context {
public:
    // `count` is where their number stands.
    open_websockets(scheduler& runs_on, std::size_t& count) noexcept : context(runs_on), x_count(count) { x_count = 0; }

    // One of them, for whoever derives from it, and adds and removes it: every connection has one, and most know otherwise where.
    class entry : public list_node<entry> {
    public:
        websocket ws;

    protected:
        explicit entry(websocket&& made) noexcept : ws(std::move(made)) {}
        ~entry() = default;
    };
    void add(entry& which) noexcept {
        x_all.push_back(which);
        ++x_count;
        if (x_closing) close(which.ws);
    }
    void remove(entry& which) noexcept {
        which.unlink();
        --x_count;
    }

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
