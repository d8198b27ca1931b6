// A connected stream of bytes: TCP, a Unix socket, TLS or an in-memory pipe, behind one indirect call an operation.
//
// A stream belongs to one loop and is used on its thread. Its operations never wait: they do what can be done now and
// say `blocked` otherwise, and the observer is told when trying again makes sense. Received bytes come in a lease: a
// buffer that belongs to the backend and is lent until `release`. Written bytes are taken at the call, so nothing that
// the kernel or another layer still works on ever lies in the caller's memory. Destroying a stream closes it.
#pragma once

#include <weir/core/block_pool.hpp>
#include <weir/core/bytes.hpp>

#include <string>
#include <system_error>

namespace weir::inline v0 {
struct connection_security; // core/connection_security.hpp
}

namespace weir::inline v0::detail {

// A std::error_code, but for the four bytes at its end that one never uses: others may stand there.
class packed_error_code {
public:
    packed_error_code() noexcept = default;
    packed_error_code& operator=(std::error_code code) noexcept {
        x_category = &code.category();
        x_value = code.value();
        return *this;
    }
    operator std::error_code() const noexcept { return {x_value, *x_category}; }
    explicit operator bool() const noexcept { return x_value != 0; }

private:
    const std::error_category* x_category = &std::system_category();
    int x_value = 0;
};

} // namespace weir::inline v0::detail

namespace weir::inline v0::io {

// What came of an operation.
enum class status : unsigned char {
    ready,   // it was done
    blocked, // nothing can be done now; the observer will be told
    end,     // the peer has ended its direction of the stream
    failed,  // the stream is broken; `failure()` says how
};

// Received bytes, lent by a stream. They may be changed in place. Must be given back to the stream that lent them, by
// `release`, before that stream is destroyed.
struct lease {
    static constexpr std::size_t usual_bytes = 64 * 1024;  // what sockets receive at a time at the most, unless that was full
    static constexpr std::size_t large_bytes = 256 * 1024; // what they do then, and what a cache holds

    mutable_bytes bytes;
    block backing;
};

// Who is told that trying again makes sense. Called on the loop's thread from within a turn, never from within an
// operation of the stream. May not destroy the stream. Told without need at times, and always when the peer has ended or
// broken the stream.
class stream_observer {
public:
    // `fill` has news: bytes, the end, or a failure. Told once after a `fill` that gave `blocked`.
    virtual void on_readable() noexcept = 0;

    // `write` can take more, or fails now, or the connection is established. Told once after a `write` that took
    // less than it was given, and when connecting has come to an end.
    virtual void on_writable() noexcept = 0;

protected:
    ~stream_observer() = default;
};

class stream {
public:
    stream() noexcept = default;
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;
    virtual ~stream() = default;

    // Whether a connection that was started is established: `blocked` while it is not, and then `ready` or `failed`.
    virtual status connected() noexcept { return status::ready; }

    // Lends what has been received; at most one lease's worth a call. With `ready` there is at least one byte; otherwise the bytes
    // of `into` are left as they were. After a write has failed it still lends what had arrived before, and then gives `failed`.
    virtual status fill(lease& into) noexcept = 0;

    // The same in the middle of something long: what has been received goes to the caller's memory first, `room`, of which
    // the part that was filled is left, and only what does not fit there is lent. The lease may so be empty. Behind a room of
    // `lease::large_bytes` or more, nothing need be lent: it is left for the next call. A stream whose bytes lie elsewhere already
    // lends them, and fills nothing.
    virtual status fill_first(mutable_bytes& room, lease& into) noexcept {
        room = room.first(0);
        return fill(into);
    }

    // Takes a lease back, and leaves an empty one. Giving back an empty lease does nothing.
    virtual void release(lease&& unused) noexcept = 0;

    // Takes as many bytes of `pieces`, in order, as can be taken now, and says how many. Fewer than given: `blocked`,
    // or `failed` if `failure()` is set.
    virtual std::size_t write(std::span<const bytes_view> pieces) noexcept = 0;
    virtual std::size_t write_piece(bytes_view piece) noexcept { return write({&std::as_const(piece), std::size_t(1)}); }

    // Ends our direction of the stream once everything taken so far is out. The peer sees the end.
    virtual void shutdown_write() noexcept = 0;

    // Lets go of the connection in order: the peer sees everything taken so far, and then the end. Every later operation
    // but `release` fails; the observer is not told of what we do ourselves.
    virtual void close() noexcept = 0;

    // Breaks the connection at once; the peer sees a reset (a Unix socket's: the end). Every later operation but `release`
    // fails; the observer is not told.
    virtual void reset() noexcept = 0;

    // How many of the bytes that were taken are still on their way, as far as is known: the peer's system has not
    // confirmed them. For a Unix socket a rough figure that shrinks as the peer reads. Asks the system.
    virtual std::size_t bytes_under_way() const noexcept { return 0; }

    // Whether the last `fill` that was `ready` has lent everything: the observer will be told of what comes next, as after
    // a `blocked`, and need not ask again. False where that is not known.
    bool drained() const noexcept { return x_drained; }

    // Whether `fill` lends what others have received already: asking again takes nobody's time.
    bool received_ahead() const noexcept { return x_received_ahead; }

    // Whether its leases are blocks of the pool that the backend lends to everybody: to give such a block there is as good as
    // `release`.
    bool lends_blocks() const noexcept { return x_lends_blocks; }

    // What broke the stream; empty while it is whole.
    std::error_code failure() const noexcept { return x_failure; }

    // What was being done then, and with whom, where that is known: what the context of an `error` says.
    virtual std::string failure_detail() const { return {}; }

    // How it is secured, and who has proved to be at the other end, once that is known; null for one that is not. Stays as it
    // is as long as the stream.
    virtual const connection_security* security() const { return nullptr; }

    // The descriptor below; -1 where there is none.
    virtual int descriptor() const noexcept { return -1; }

    // Who is told from now on; null for nobody. The observer must outlive the stream or be taken out before.
    void observe(stream_observer* observer) noexcept { x_observer = observer; }

protected:
    stream_observer* x_observer = nullptr;
    [[no_unique_address]] detail::packed_error_code x_failure;
    bool x_drained = false;
    bool x_received_ahead : 1 = false;
    bool x_lends_blocks : 1 = false; // two bytes are left for whoever derives from this
};

} // namespace weir::inline v0::io
