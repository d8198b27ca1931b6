// Hears a connection out that was answered before it had said anything.
//
// A socket that is closed with bytes unread, or before they come, is reset, and the reset takes back what was just
// written. So what the peer says is thrown away until it ends, for a little while. Owns the stream; destroys itself
// when it is through. Loop thread only.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/coro/scheduler.hpp>
#include <weir/io/stream.hpp>

#include <utility>

namespace weir::inline v0::detail {

class farewell final : public list_node<farewell>, private io::stream_observer, private timer, private ready_item {
public:
    static constexpr std::chrono::nanoseconds patience = std::chrono::seconds(2);

    // Writes `words`, which have static duration, and ends this side. `count` is one more as long as it lives.
    [[gnu::cold]] farewell(owned<io::stream> stream, bytes_view words, scheduler& on, std::size_t& count) noexcept
        : x_stream(std::move(stream)), x_words(words), x_scheduler(on), x_count(count) {
        ++x_count;
        x_stream->observe(this);
        on_writable();
        x_scheduler.arm(*this, patience);
        on_readable();
    }
    [[gnu::cold]] ~farewell() {
        x_stream->close();
        --x_count;
    }

private:
    static constexpr int most_fills = 16;

    [[gnu::cold]] void on_readable() noexcept override {
        for (;;) {
            io::lease heard;
            const io::status what = x_fills++ < most_fills ? x_stream->fill(heard) : io::status::end;
            if (what == io::status::blocked) return;
            x_stream->release(std::move(heard));
            if (what != io::status::ready) return x_scheduler.post(*this); // not from within the stream's call
        }
    }
    [[gnu::cold]] void on_writable() noexcept override {
        if (x_words.empty()) return;
        x_words = x_words.subspan(x_stream->write_piece(x_words));
        if (x_words.empty() || x_stream->failure()) x_stream->shutdown_write();
    }
    void run() noexcept override { delete this; }
    void expire() noexcept override { delete this; }

    owned<io::stream> x_stream;
    bytes_view x_words; // that are still to be said
    scheduler& x_scheduler;
    std::size_t& x_count;
    int x_fills = 0;
};

} // namespace weir::inline v0::detail
