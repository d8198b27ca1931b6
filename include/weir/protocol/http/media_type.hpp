// Which content is in a file, told by the end of its name.
#pragma once

#include <weir/protocol/http/syntax.hpp>

#include <string_view>

namespace weir::inline v0::http {

// "text/html; charset=utf-8" for "page.html"; "application/octet-stream" for what is not known. Text is taken to be UTF-8.
// Static text.
template <class = void>
std::string_view media_type_of(std::string_view name) noexcept {
    struct entry {
        std::string_view ending, type;
    };
    constexpr entry known[] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"json", "application/json"},
        {"map", "application/json"},
        {"webmanifest", "application/manifest+json"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"xml", "application/xml"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"avif", "image/avif"},
        {"ico", "image/vnd.microsoft.icon"},
        {"woff", "font/woff"},
        {"woff2", "font/woff2"},
        {"ttf", "font/ttf"},
        {"otf", "font/otf"},
        {"mp3", "audio/mpeg"},
        {"wav", "audio/wav"},
        {"ogg", "audio/ogg"},
        {"mp4", "video/mp4"},
        {"webm", "video/webm"},
        {"pdf", "application/pdf"},
        {"wasm", "application/wasm"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
    };
    const std::size_t dot = name.find_last_of("./");
    if (dot != name.npos && name[dot] == '.')
        for (const entry& each : known)
            if (equal_ignoring_case(name.substr(dot + 1), each.ending)) return each.type;
    return "application/octet-stream";
}

} // namespace weir::inline v0::http
