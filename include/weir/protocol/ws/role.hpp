// Which end of a connection one is.
//
// RFC 6455 treats the two ends alike but for the opening handshake and masking: a client masks every frame, a server
// none.
#pragma once

#include <weir/core/version.hpp>

namespace weir::inline v0::ws {

enum class role : unsigned char {
    client, // masks what it sends, refuses masked frames
    server, // the reverse
};

} // namespace weir::inline v0::ws
