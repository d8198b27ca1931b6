// The settings of a WebSocket connection, the same for both roles. Sizes are in bytes.
#pragma once

#include <weir/core/log.hpp>
#include <weir/coro/duration.hpp>
#include <weir/protocol/ws/compression_choice.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

namespace weir::inline v0 {

namespace io {
class stream;
}

// What happens to a message that would put more than `queue_bytes` into the queue of a connection.
enum class overflow_policy : unsigned char {
    close, // the connection is closed with 1008: a peer this slow is of no use
    drop,  // the message is not sent, and its send says `errc::buffer_full`
};

struct websocket_options {
    // The largest message that `read` gathers. A larger one closes the connection with 1009 and both figures in the
    // reason. `read_frame` has no such limit.
    std::size_t message_bytes = 1024 * 1024;

    // The most frames in which a message may come that `read` gathers; likewise.
    std::uint32_t message_fragments = 65536;

    // The largest frame that is received; a larger one closes the connection with 1009, at its header. By default what
    // RFC 6455 allows: a frame is never held as a whole, so this costs no memory. For whoever wants peers to cut
    // what they send.
    std::uint64_t received_frame_bytes = 0x7FFF'FFFF'FFFF'FFFF;

    // How many pings and pongs the peer may send in a second, on an average of ten seconds; more close the connection
    // with 1008 and both figures in the reason. Pongs that answer our pings are not counted. Each costs us about as
    // much as a small message, and no handler ever sees it. At least 1.
    std::uint32_t control_frames_per_second = 200;

    // Longer messages are sent in frames of this size, so that pings and closes pass between them. Smaller frames
    // make those quicker and long messages dearer. At least 1.
    std::size_t frame_bytes = 64 * 1024;

    // A send whose message is queued above this waits until half of it has left. Higher: fewer waits; lower: less
    // memory for slow readers.
    std::size_t high_water_bytes = 256 * 1024;

    // Above this `overflow` decides. One message is always taken when nothing is queued before it. While a message is
    // sent by pieces it holds for that message and for those that wait behind it, each by itself.
    std::size_t queue_bytes = 16 * 1024 * 1024;
    overflow_policy overflow = overflow_policy::close;

    // How much is received ahead while the handler does something else, so that pings and closes are seen. Past
    // it the peer is left to wait, and the ping timeout with it unless a send waits for that peer.
    std::size_t read_ahead_bytes = 64 * 1024;

    // A ping is sent when nothing has been received for this long; none without a value.
    std::optional<std::chrono::nanoseconds> ping_interval = std::chrono::seconds(20);

    // The connection is given up when a ping has left and nothing at all has been received for this long. What stands
    // before the ping in the system's own queue may take its time, as long as some of it arrives.
    std::chrono::nanoseconds ping_timeout = std::chrono::seconds(20);

    // How long the peer may take to answer our close frame, and after that to end the stream, before the connection is
    // broken off.
    std::chrono::nanoseconds close_timeout = std::chrono::seconds(5);

    // How messages are compressed, if the other side agrees: `weir::permessage_deflate` of protocol/ws/deflate.hpp, or
    // that with settings of one's own. Not at all by default.
    compression_choice compression = {};

    // Who hears of what happens to the connection; nobody by default.
    log_hook log = {};

    // Says in the log who is at the other end of a stream, where that is known. Servers and clients set it themselves.
    std::string (*peer_name)(const io::stream& of) = nullptr;
};

static_assert(__is_trivially_copyable(websocket_options));

} // namespace weir::inline v0
