// Stands between a client and a server, passes everything on, and spoils what a test asks it to.
#pragma once

#include <weir/coro/event.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/when_any.hpp>
#include <weir/net/connect.hpp>
#include <weir/net/listen.hpp>
#include <weir/transport/byte_source.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

namespace tests {

class meddler {
public:
    // What becomes of bytes that a client sends.
    enum class fate { pass, swallow, cut, lose_answer };
    using judge = std::function<fate(std::string_view sent)>;

    explicit meddler(weir::net::endpoint to) : server(to) {
        weir::result<weir::net::listener> made = weir::net::listen("127.0.0.1", 0);
        REQUIRE(made);
        x_listener.emplace(std::move(*made));
        at = x_listener->local_endpoint();
        x_work.spawn(accept_all());
    }

    // Breaks every connection that there is.
    void break_all() noexcept {
        x_break.set();
        x_break.reset();
    }
    int count(std::string_view what) const {
        int found = 0;
        for (const std::string& each : requests) found += each.find(what) != each.npos;
        return found;
    }

    weir::net::endpoint at;            // where it listens
    weir::net::endpoint server;        // to whom it passes connections on
    judge verdict;                     // null: all passes
    std::vector<std::string> requests; // the first lines of all
    std::vector<std::string> answers;  // likewise
    bool open = true;                  // connections that are made now are passed on, and not broken off
    bool mute = false;                 // nothing of what the server sends is passed on

private:
    weir::task<> accept_all() {
        while (auto stream = co_await x_listener->accept())
            if (open) x_work.spawn(pass(std::move(*stream)));
    }

    struct side {
        explicit side(weir::owned<weir::io::stream> over) : stream(std::move(over)), source(*stream) {}
        weir::owned<weir::io::stream> stream;
        weir::byte_source source;
    };

    weir::task<> pass(weir::owned<weir::io::stream> from) {
        side client(std::move(from));
        weir::result<weir::owned<weir::io::stream>> made = co_await weir::net::connect(server);
        if (!made) co_return;
        side far(std::move(*made));
        bool loses = false;
        (void)co_await weir::when_any(there(client, far, loses), back(client, far, loses), x_break.wait());
    }

    weir::task<int> there(side& client, side& far, bool& loses) {
        for (;;) {
            const weir::result<bool> more = co_await client.source.more();
            if (!more || !*more) co_return 0;
            const std::string text(weir::as_text(client.source.rest()));
            if (text.starts_with("GET ") || text.starts_with("POST ")) requests.push_back(text.substr(0, text.find('\r')));
            const fate what = verdict ? verdict(text) : fate::pass;
            if (what == fate::cut) co_return 0;
            if (what == fate::lose_answer) loses = true;
            if (what == fate::swallow) continue;
            const weir::result<> written = co_await far.source.write(weir::as_bytes(text));
            if (!written) co_return 0;
        }
    }
    weir::task<int> back(side& client, side& far, bool& loses) {
        for (;;) {
            const weir::result<bool> more = co_await far.source.more();
            if (!more || !*more || loses) co_return 0;
            const std::string_view text = weir::as_text(far.source.rest());
            if (text.starts_with("HTTP/1.1 ")) answers.emplace_back(text.substr(0, text.find('\r')));
            if (mute) continue;
            const weir::result<> written = co_await client.source.write(far.source.rest());
            if (!written) co_return 0;
        }
    }

    std::optional<weir::net::listener> x_listener;
    weir::event x_break;
    weir::scope x_work;
};

} // namespace tests
