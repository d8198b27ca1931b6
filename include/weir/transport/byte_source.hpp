// Received bytes, for whoever reads a stream step by step in a coroutine: a client's handshake.
//
// Holds one lease at a time. What is left of it can be handed on together with the stream, so that nothing that came
// behind a handshake is lost. Loop thread only; the stream must outlive it.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/coro/task.hpp>
#include <weir/io/stream_signal.hpp>
#include <weir/protocol/http/head_parser.hpp>

#include <utility>

namespace weir::inline v0 {

class byte_source {
public:
    explicit byte_source(io::stream& from) noexcept : x_stream(from), x_signal(from) {}
    byte_source(const byte_source&) = delete;
    byte_source& operator=(const byte_source&) = delete;
    ~byte_source() { x_stream.release(std::move(x_lease)); }

    // What has been received and not been used; valid until the next `more`. Whoever uses it shortens it.
    mutable_bytes& rest() noexcept { return x_rest; }

    // Waits for more bytes; what was left must have been used up. False at the end of the stream.
    template <class = void>
    task<result<bool>> more() {
        for (;;) {
            x_stream.release(exchanged(x_lease, {}));
            x_rest = {};
            switch (x_stream.fill(x_lease)) {
            case io::status::ready: x_rest = x_lease.bytes; co_return true;
            case io::status::end: co_return false;
            case io::status::failed: co_return failure();
            case io::status::blocked: break;
            }
            const result<> told = co_await x_signal.readable();
            if (!told) co_return told.error();
        }
    }

    // Waits until the stream has taken all of `bytes`, which must stay until then.
    template <class = void>
    task<result<>> write(bytes_view bytes) {
        for (;;) {
            bytes = bytes.subspan(x_stream.write_piece(bytes));
            if (bytes.empty()) co_return result<>();
            if (x_stream.failure()) co_return failure();
            const result<> told = co_await x_signal.writable();
            if (!told) co_return told.error();
        }
    }

    // Reads the head of an HTTP message. `errc::end_of_stream` when the peer ends the stream first, with a context
    // only if a part of a head had come.
    template <class Head>
    task<result<Head>> read_head(http::head_parser<Head>& parser) {
        for (;;) {
            bytes_view input = x_rest;
            const http::parse_status status = parser.parse(input);
            x_rest = x_rest.last(input.size());
            if (status == http::parse_status::done) co_return parser.take();
            if (status == http::parse_status::failed) co_return parser.error();
            const result<bool> got = co_await more();
            if (!got) co_return got.error();
            if (!*got && parser.started()) co_return error(errc::end_of_stream, "in the middle of an HTTP head");
            if (!*got) co_return errc::end_of_stream;
        }
    }

    // Gives the lease away; `rest()` still shows what of it is unused.
    io::lease take_lease() noexcept {
        x_signal.detach();
        return exchanged(x_lease, {});
    }

private:
    template <class = void>
    error failure() const {
        return error(x_stream.failure(), x_stream.failure_detail());
    }

    io::stream& x_stream;
    io::stream_signal x_signal;
    io::lease x_lease;
    mutable_bytes x_rest;
};

} // namespace weir::inline v0
