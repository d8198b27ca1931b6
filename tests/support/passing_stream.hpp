// A stream over another one that hands everything on: what tests put between a connection and its stream, to see what
// passes, derives from it.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/io/stream.hpp>

#include <utility>

namespace tests {

class passing_stream : public weir::io::stream, protected weir::io::stream_observer {
public:
    explicit passing_stream(weir::owned<weir::io::stream> below) : x_below(std::move(below)) { x_below->observe(this); }

    weir::io::status connected() noexcept override { return noted(x_below->connected()); }
    weir::io::status fill(weir::io::lease& into) noexcept override { return noted(x_below->fill(into)); }
    void release(weir::io::lease&& unused) noexcept override { x_below->release(std::move(unused)); }
    std::size_t write(std::span<const weir::bytes_view> pieces) noexcept override { return noted(x_below->write(pieces)); }
    void shutdown_write() noexcept override { x_below->shutdown_write(); }
    void close() noexcept override { x_below->close(); }
    void reset() noexcept override { x_below->reset(); }
    int descriptor() const noexcept override { return x_below->descriptor(); }

protected:
    void on_readable() noexcept override {
        if (x_observer) x_observer->on_readable();
    }
    void on_writable() noexcept override {
        noted(0);
        if (x_observer) x_observer->on_writable();
    }

private:
    // How the one below stands after what has given `outcome`.
    template <class Outcome>
    Outcome noted(Outcome outcome) noexcept {
        x_failure = x_below->failure();
        x_drained = x_below->drained();
        x_received_ahead = x_below->received_ahead();
        return outcome;
    }

    weir::owned<weir::io::stream> x_below;
};

} // namespace tests
