// What lies between the two ends of an in-memory connection: the bytes that are under way, and when they arrive.
//
// Part of the test kit; see io/memory.hpp. It belongs to its ends, and goes with the last one of them. Here everything
// takes the same time; a link that derives from it decides by itself, and may hold things back until `release`.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/io/memory_backend.hpp>

#include <vector>

namespace weir::inline v0::io {

class memory_stream;

// What one end sends to the other.
enum class memory_signal : unsigned char { connect, accept, refuse, bytes, end, close, reset };

class memory_link {
public:
    using time = std::chrono::nanoseconds;
    static constexpr time never = time::max();
    static constexpr time held = memory_backend::held;

    // What one end has written and the other has not read yet.
    struct pipe {
        struct portion {
            std::size_t bytes;
            time at;
        };

        pipe(block_pool& pool, std::size_t bound) noexcept : bytes(pool, bound) {}

        // How many bytes can be read at `now`.
        std::size_t arrived(time now) noexcept {
            while (!under_way.empty() && under_way.front().at <= now) {
                here += under_way.front().bytes;
                under_way.erase(under_way.begin());
            }
            return here;
        }

        // Notes that `count` bytes arrive at `at`, or after those before them.
        void arrive(std::size_t count, time at) {
            written += count;
            if (under_way.empty() || under_way.back().at != at)
                under_way.push_back({count, at});
            else
                under_way.back().bytes += count;
        }

        // Drops what has not arrived at `now`.
        void lose(time now) noexcept {
            bytes.retract(bytes.size() - arrived(now));
            under_way.clear();
        }

        buffer bytes;
        std::uint64_t written = 0;
        time not_before{0}; // when what follows may arrive
        std::size_t here = 0;
        std::vector<portion> under_way;
        time ends = never;   // when the reader sees that nothing follows
        time broken = never; // when the reader sees a reset
        time unread = never; // when the writer sees that nobody reads any more
    };

    // Each direction holds `bound` bytes, in blocks of `pool`, which must outlive it.
    memory_link(block_pool& pool, std::size_t bound, time latency) noexcept
        : ways{{pool, bound}, {pool, bound}}, x_latency(latency) {}
    memory_link(const memory_link&) = delete;
    memory_link& operator=(const memory_link&) = delete;
    virtual ~memory_link() = default;

    // When something arrives that leaves side `from` at `at`: `bytes` of them, if it is that. `held`: not until it is
    // asked again by `release`.
    virtual time arrival([[maybe_unused]] int from, [[maybe_unused]] memory_signal what,
                         [[maybe_unused]] std::size_t bytes, time at) noexcept {
        return at + x_latency;
    }

    // Lets what is held go on, in its order. Both ends have to look then.
    void release(time now) noexcept {
        for (int from = 0; from < 2; ++from) {
            pipe& out = ways[from];
            time& unread = ways[1 - from].unread; // seen by the other end as well
            time last{0};
            for (pipe::portion& each : out.under_way) {
                if (each.at == held) each.at = arrival(from, memory_signal::bytes, each.bytes, now);
                last = each.at = each.at > last ? each.at : last;
            }
            out.not_before = last;
            if (out.ends == held) {
                const time then = arrival(from, memory_signal::end, 0, now);
                out.not_before = out.ends = then > last ? then : last;
            }
            if (out.broken == held) out.broken = arrival(from, memory_signal::reset, 0, now);
            if (unread == held) unread = out.broken != never ? out.broken : arrival(from, memory_signal::close, 0, now);
        }
        if (connected == held) connected = arrival(1, refused ? memory_signal::refuse : memory_signal::accept, 0, now);
    }

    // Breaks it for both ends, now: what is under way is lost. Both have to look then.
    void sever(time now) noexcept {
        for (pipe& each : ways) {
            each.lose(now);
            each.broken = now;
        }
        if (connected > now) connected = now;
    }

    pipe ways[2]; // ways[i] is written by ends[i]
    memory_stream* ends[2] = {nullptr, nullptr}; // ends[0] is the one that connects, if one of them does
    time connected = never; // when it learns how that has ended
    bool refused = false;

private:
    time x_latency;
};

} // namespace weir::inline v0::io
