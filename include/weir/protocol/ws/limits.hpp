// What a connection accepts from its peer before it fails with 1009. The size of messages is bounded by whoever gathers
// them.
#pragma once

#include <weir/core/version.hpp>

#include <cstdint>

namespace weir::inline v0::ws {

struct limits {
    // Payload bytes of one frame. Default: what RFC 6455 allows. A connection hands frames out in pieces and never
    // holds one, so this costs no memory; lower it where whoever gathers messages has no bound of its own.
    std::uint64_t frame_bytes = 0x7FFF'FFFF'FFFF'FFFF;

    // Frames of one message, however it is read. Bounds the work that a peer can cause by endless empty or tiny
    // fragments. UINT32_MAX is never reached.
    std::uint32_t message_fragments = 65536;
};

} // namespace weir::inline v0::ws
