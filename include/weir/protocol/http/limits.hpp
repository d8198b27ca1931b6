// How large an HTTP head may be.
#pragma once

#include <weir/core/version.hpp>

#include <cstddef>

namespace weir::inline v0::http {

// Bounds for one head. What is over a bound fails as soon as that is certain; nothing over it is stored.
struct head_limits {
    // Bytes of the whole head with its blank line. Default 16 KiB. More lets larger cookies pass, and lets each peer
    // that has not yet been understood occupy as much memory. Over it: errc::head_too_large (431).
    std::size_t head_bytes = 16 * 1024;

    // Bytes of the first line with its line end, and so of a request's target. Default 8 KiB, as RFC 9112 section 3
    // recommends. Over it: errc::target_too_long (414) in a request, errc::head_too_large in a response.
    std::size_t line_bytes = 8 * 1024;

    // Field lines. Default 100; browsers send about 20. Over it: errc::too_many_fields (431).
    std::size_t field_count = 100;
};

} // namespace weir::inline v0::http
