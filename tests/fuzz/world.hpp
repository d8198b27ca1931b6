// A loop over the in-memory backend for fuzz targets: virtual time, the same random numbers each time; a stall is a
// finding.
#pragma once

#include "support.hpp"

#include <weir/coro/scope.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/memory.hpp>
#include <weir/io/sleep.hpp>
#include <weir/io/stream_signal.hpp>

#include <memory>
#include <utility>

namespace fuzz {

class fixed_entropy final : public weir::entropy {
    void refill(weir::mutable_bytes batch) noexcept override {
        for (std::byte& each : batch) each = std::byte(x_dice.roll());
    }
    dice x_dice{1};
};

class world final : private weir::io::stall_observer {
public:
    explicit world(const weir::io::memory_options& options)
        : x_network(new weir::io::memory(options)), x_loop(weir::owned<weir::io::backend>(x_network), &x_entropy) {
        x_network->observe_stall(this);
    }

    weir::io::loop& loop() noexcept { return x_loop; }
    weir::io::memory& network() noexcept { return *x_network; }
    std::chrono::nanoseconds now() noexcept { return x_network->now(); }

    void run(weir::task<> main) {
        x_loop.run(std::move(main));
        require(x_loop.blocks().lent() == 0, "every block was given back");
    }

private:
    void on_stall() noexcept override { require(false, "somebody waits for what nobody is going to do"); }

    fixed_entropy x_entropy;
    weir::io::memory* x_network;
    weir::io::loop x_loop;
};

// A network by one byte of an input: in pieces, narrow, slow, or none of that.
inline weir::io::memory_options network_of(std::uint8_t how) noexcept {
    weir::io::memory_options made;
    made.fragment = how & 1;
    if (how & 2) made.pipe_bytes = 100 + how * 8u;
    if (how & 4) made.latency = std::chrono::milliseconds(3);
    made.seed = how;
    return made;
}

// How a peer leaves when it has said what it had to say.
enum class leaving : unsigned char { stays, ends, closes, resets };

// A peer that says what it is told to, in pieces, and listens meanwhile, or does not.
class raw_peer {
public:
    explicit raw_peer(weir::owned<weir::io::stream> over) : x_stream(std::move(over)), x_signal(*x_stream) {}

    // Between pieces: 0 nothing, 1 a turn of the loop, 2 up to 300 ms.
    weir::task<> say(std::string_view text, std::uint8_t cuts, unsigned pauses, leaving how) {
        cutter sizes(cuts);
        dice times(cuts);
        while (!text.empty() && !x_over) {
            const std::string_view whole = text.substr(0, sizes.next(text.size()));
            text.remove_prefix(whole.size());
            for (std::string_view piece = whole; !piece.empty();) {
                const weir::bytes_view bytes = weir::as_bytes(piece);
                const std::size_t taken = x_stream->write({&bytes, 1});
                piece.remove_prefix(taken);
                if (x_stream->failure()) co_return;
                if (piece.empty()) break;
                const weir::result<> told = co_await x_signal.writable().within(std::chrono::seconds(100));
                if (!told) co_return;
            }
            if (pauses == 1) (void)co_await weir::sleep(std::chrono::nanoseconds(0));
            if (pauses >= 2) (void)co_await weir::sleep(std::chrono::milliseconds(times.roll() % 300));
        }
        if (x_over) co_return;
        x_said_all = true;
        if (how == leaving::ends) x_stream->shutdown_write();
        if (how == leaving::closes) x_stream->close();
        if (how == leaving::resets) x_stream->reset();
        x_left = how == leaving::closes || how == leaving::resets;
    }

    // Until the other side ends the stream, or this one has left.
    weir::task<> listen() {
        for (;;) {
            weir::io::lease got;
            const weir::io::status what = x_stream->fill(got);
            if (what == weir::io::status::ready) {
                x_heard += weir::as_text(got.bytes);
                x_stream->release(std::move(got));
            } else if (what == weir::io::status::blocked) {
                const weir::result<> told = co_await x_signal.readable().within(std::chrono::seconds(1));
                if (x_left || (!told && told.error() != weir::errc::timed_out)) co_return;
            } else {
                x_ended = what == weir::io::status::end;
                x_over = true;
                co_return;
            }
        }
    }

    const std::string& heard() const noexcept { return x_heard; }
    bool over() const noexcept { return x_over; }         // nothing more will come
    bool ended() const noexcept { return x_ended; }       // and that was the orderly end of the stream
    bool said_all() const noexcept { return x_said_all; } // all bytes were taken
    bool left() const noexcept { return x_left; }         // broke the stream off itself
    weir::io::stream& stream() noexcept { return *x_stream; }

private:
    weir::owned<weir::io::stream> x_stream;
    weir::io::stream_signal x_signal;
    std::string x_heard;
    bool x_over = false;
    bool x_ended = false;
    bool x_said_all = false;
    bool x_left = false;
};

} // namespace fuzz
