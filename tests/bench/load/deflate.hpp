// Compression of the load's own messages (RFC 7692), with no context kept: as many zlib states as there are directions.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#if defined(WEIR_WITH_ZLIB)
#include <zlib.h>

namespace load {

constexpr const char* compression_offer =
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";

inline std::string deflated(std::string_view text) {
    static z_stream state = [] {
        z_stream made{};
        if (::deflateInit2(&made, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("zlib");
        return made;
    }();
    ::deflateReset(&state);
    std::string bytes(::deflateBound(&state, text.size()) + 16, '\0');
    state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    state.avail_in = static_cast<uInt>(text.size());
    state.next_out = reinterpret_cast<Bytef*>(bytes.data());
    state.avail_out = static_cast<uInt>(bytes.size());
    ::deflate(&state, Z_SYNC_FLUSH);
    bytes.resize(bytes.size() - state.avail_out - 4); // without 00 00 FF FF
    return bytes;
}

// Whether `bytes` are `text`, compressed.
inline bool inflates_to(std::string bytes, std::string_view text) {
    static z_stream state = [] {
        z_stream made{};
        if (::inflateInit2(&made, -15) != Z_OK) throw std::runtime_error("zlib");
        return made;
    }();
    static std::string inflated;
    ::inflateReset(&state);
    bytes.append("\0\0\xFF\xFF", 4);
    inflated.resize(text.size() + 1);
    state.next_in = reinterpret_cast<Bytef*>(bytes.data());
    state.avail_in = static_cast<uInt>(bytes.size());
    state.next_out = reinterpret_cast<Bytef*>(inflated.data());
    state.avail_out = static_cast<uInt>(inflated.size());
    const int outcome = ::inflate(&state, Z_SYNC_FLUSH);
    if (outcome != Z_OK && outcome != Z_BUF_ERROR && outcome != Z_STREAM_END) return false;
    return std::string_view(inflated.data(), inflated.size() - state.avail_out) == text;
}

} // namespace load
#else
namespace load {
constexpr const char* compression_offer = "";
inline std::string deflated(std::string_view) { throw std::runtime_error("built without zlib"); }
inline bool inflates_to(const std::string&, std::string_view) { return false; }
} // namespace load
#endif
