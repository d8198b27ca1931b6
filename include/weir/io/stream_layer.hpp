// What a program puts over the streams of its connections: to see their bytes, to count them, to hold them up or to break them.
//
// A client or a server that is given one asks it for a stream over each that it has connected or accepted, over TLS where that is
// spoken, and before the first byte of HTTP. What it gives is spoken over from then on. It has to live as long as what it
// has made, unless it says otherwise. Called on the loop's thread. What such a stream owes is written in io/stream.hpp: it hands
// on what the one below tells, `failure()`, `drained()`, `received_ahead()` and `security()` included.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/io/stream.hpp>

namespace weir::inline v0::io {

class stream_layer {
public:
    // A stream over `below`, which belongs to the loop of this thread and is connected; that of a server has yet to shake hands
    // where it speaks TLS. Null: the connection is given up, for a client with `not_enough_memory`.
    virtual owned<stream> put_over(owned<stream> below) noexcept = 0;

protected:
    ~stream_layer() = default;
};

} // namespace weir::inline v0::io
