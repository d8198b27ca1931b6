// Sends HTTP requests to one server, one after the other over a connection that is kept, and reads their answers by pieces.
//
//     auto head = co_await caller.ask(text, "GET").within(4s);      // the text of a whole request
//     while (auto piece = co_await caller.read()) { if (piece->empty()) break; ... }
//
// For requests that may be sent twice: where a kept connection turns out to be dead, the request goes out again on a new one.
// An answer that was not read to its end costs the connection. Redirects are answers like others. One coroutine at a
// time; it must not outlive the caller. Loop thread only.
#pragma once

#include <weir/client/connect.hpp>
#include <weir/client/open_options.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class http_caller {
public:
    // All three must outlive the caller; of the options it heeds those that say how to get to a server.
    http_caller(const http::url& to, const open_options& options, const http::head_limits& limits) noexcept
        : x_to(to), x_options(options), x_limits(limits) {}

    // Sends a request, which is copied, and waits for the head of its answer. Errors are those of connecting, the operating
    // system's, `end_of_stream`, and those of a head that makes no sense.
    task<result<http::response_head>> ask(std::string request, std::string_view method) {
        if (x_asked) hang_up(); // the last answer was not read to its end
        for (;;) {
            const bool kept = x_line != nullptr;
            x_asked = true;
            result<http::response_head> head = co_await ask_once(request);
            if (head) {
                const result<http::body_framing> framing = http::framing_of(*head, method);
                if (!framing) co_return framing.error();
                x_body = http::body_decoder(*framing, UINT64_MAX);
                x_keeps = head->keep_alive() && framing->kind != http::body_kind::until_close;
                co_return head;
            }
            hang_up();
            if (!kept || head.error() == errc::canceled || head.error() == condition::protocol) co_return head;
        }
    }

    // The next piece of the answer's body, valid until the next call; an empty one at its end.
    task<result<bytes_view>> read() {
        for (;;) {
            if (!x_line) co_return bytes_view();
            mutable_bytes& rest = x_line->source.rest();
            bytes_view input = rest;
            const http::body_event next = x_body.decode(input);
            rest = rest.last(input.size());
            switch (next.what) {
            case http::body_event::data: co_return next.bytes;
            case http::body_event::done:
                x_asked = false;
                if (!x_keeps || !input.empty()) hang_up(); // what nobody has asked for is not for us
                co_return bytes_view();
            case http::body_event::failed: co_return x_body.error();
            case http::body_event::need_more: break;
            }
            const result<bool> got = co_await x_line->source.more();
            if (!got) co_return got.error();
            if (*got) continue;
            if (!x_body.end_of_stream()) co_return x_body.error();
            hang_up();
        }
    }

private:
    struct connection {
        explicit connection(owned<io::stream> over) noexcept : stream(std::move(over)), source(*stream) {}
        owned<io::stream> stream;
        byte_source source;
    };

    task<result<http::response_head>> ask_once(const std::string& request) {
        if (!x_line) {
            route along;
            along.host = x_to.host();
            along.port = x_to.port();
            along.secure = x_to.secure();
            along.how.lookup = x_options.lookup;
            along.tls = x_options.tls;
            std::string setting(x_options.proxy.setting());
            result<owned<io::stream>> made = co_await go(along, x_options.proxy.by(), std::move(setting));
            if (!made) co_return std::move(made).error();
            if (x_to.secure()) {
                made = co_await net::secure(std::move(*made), std::move(along.host), x_to.port(), x_options.tls);
                if (!made) co_return std::move(made).error();
            }
            x_line = make_owned<connection>(std::move(*made));
        }
        const result<> written = co_await x_line->source.write(as_bytes(request));
        if (!written) co_return written.error();
        co_return co_await read_answer(x_line->source, x_limits);
    }

    void hang_up() noexcept {
        x_line = nullptr;
        x_asked = false;
    }

    const http::url& x_to;
    const open_options& x_options;
    const http::head_limits& x_limits;
    owned<connection> x_line;
    http::body_decoder x_body{http::body_framing()};
    bool x_asked = false; // an answer is under way
    bool x_keeps = false; // the server keeps the connection after it
};

} // namespace weir::inline v0::detail
