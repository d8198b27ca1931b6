// A peer that a test plays byte by byte, over any stream.
#pragma once

#include <weir/coro/yield.hpp>
#include <weir/net/connect.hpp>
#include <weir/transport/byte_source.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>

namespace tests {

class raw_peer {
public:
    explicit raw_peer(weir::owned<weir::io::stream> over) : x_stream(std::move(over)), x_source(*x_stream) {}
    raw_peer(const raw_peer&) = delete;

    weir::io::stream& stream() { return *x_stream; }

    // Sends in pieces of at most `step` bytes, each in a turn of its own. False when the other side takes no more.
    weir::task<bool> send(std::string text, std::size_t step = std::string::npos) {
        for (std::size_t at = 0; at < text.size(); at += step == std::string::npos ? text.size() : step) {
            const std::string_view piece = std::string_view(text).substr(at, step);
            const weir::result<> written = co_await x_source.write(weir::as_bytes(piece)).within(std::chrono::seconds(30));
            if (!written) co_return false;
            for (int round = 0; round < 20 && step != std::string::npos; ++round) (void)co_await weir::yield();
        }
        co_return true;
    }

    // Everything that comes up to and with `mark`, or all up to the end.
    weir::task<std::string> read_to(std::string mark) {
        std::string got;
        while (!x_over) {
            if (x_source.rest().empty()) {
                const weir::result<bool> more = co_await x_source.more().within(std::chrono::seconds(60));
                x_over = !more || !*more;
                if (!more) x_failure = more.error();
                continue;
            }
            got += static_cast<char>(x_source.rest()[0]);
            x_source.rest() = x_source.rest().subspan(1);
            if (!mark.empty() && got.ends_with(mark)) break;
        }
        co_return got;
    }
    weir::task<std::string> read_all() { return read_to(std::string()); }

    // A response with its body, as its Content-Length says.
    weir::task<std::string> read_response(bool body = true) {
        std::string got = co_await read_to("\r\n\r\n");
        const std::size_t at = got.find("Content-Length: ");
        const bool whole = got.ends_with("\r\n\r\n"); // or cut off, in the middle of that field perhaps
        std::size_t left = at == got.npos || !body || !whole ? 0 : std::stoul(got.substr(at + 16));
        while (left > 0 && !x_over) {
            if (x_source.rest().empty()) {
                const weir::result<bool> more = co_await x_source.more().within(std::chrono::seconds(60));
                x_over = !more || !*more;
                continue;
            }
            const std::size_t part = left < x_source.rest().size() ? left : x_source.rest().size();
            got += weir::as_text(x_source.rest().first(part));
            x_source.rest() = x_source.rest().subspan(part);
            left -= part;
        }
        co_return got;
    }

    bool has_more() { return !x_source.rest().empty(); }
    bool over() const { return x_over; }
    std::error_code failure() const { return x_failure; }
    void end() { x_stream->shutdown_write(); }

private:
    weir::owned<weir::io::stream> x_stream;
    weir::byte_source x_source;
    std::error_code x_failure;
    bool x_over = false;
};

// Connects to a server that is there.
inline weir::task<std::unique_ptr<raw_peer>> dial(weir::net::endpoint to) {
    weir::result<weir::owned<weir::io::stream>> made = co_await weir::net::connect(to);
    REQUIRE_MESSAGE(made, made.error().message());
    co_return std::make_unique<raw_peer>(std::move(*made));
}

} // namespace tests
