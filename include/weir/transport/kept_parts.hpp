// What an inbox keeps where messages come in parts or compressed, or where nobody reads. Made when it is needed first. Loop
// thread only.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/errc.hpp>
#include <weir/core/owned.hpp>
#include <weir/protocol/ws/message_codec.hpp>
#include <weir/transport/read_ahead.hpp>

namespace weir::inline v0::detail {

struct kept_parts {
    explicit kept_parts(block_pool& pool) noexcept : assembly(pool) {}

    // How much of a message is much.
    static constexpr std::size_t much = 32 * 1024;

    // How much room is made for more of a message: it grows with what has come, and not with what a header promises. When much
    // has come, by so much that hardly anything is copied: the system gives such memory page by page, when it is written to.
    static constexpr std::size_t growth(std::size_t came) noexcept {
        constexpr std::size_t first_step = 4 * 1024;
        return came < first_step ? first_step - came : came < much ? came : 63 * came;
    }

    buffer assembly; // a message that comes in parts, or was handed out last
    mutable_bytes behind; // what is to be parsed after that of which a part was received to the end of `assembly`
    owned<read_ahead> ahead;
    owned<ws::message_codec> codec; // only where compression was agreed upon
    errc corruption{};              // what was wrong with a compressed message
};

} // namespace weir::inline v0::detail
