#include <doctest/doctest.h>

#include <weir/protocol/http/media_type.hpp>

using namespace weir;

TEST_CASE("what is in a file") {
    CHECK(http::media_type_of("index.html") == "text/html; charset=utf-8");
    CHECK(http::media_type_of("a.b/INDEX.HTM") == "text/html; charset=utf-8");
    CHECK(http::media_type_of("app.min.js") == "text/javascript; charset=utf-8");
    CHECK(http::media_type_of("module.wasm") == "application/wasm");
    CHECK(http::media_type_of("picture.svg") == "image/svg+xml");
    CHECK(http::media_type_of("archive.tar.gz") == "application/gzip");
    for (const char* each : {"", "html", "a.html/b", "a.", ".", "a.unknown", "a.htmlx", "a.html.", "a/.../b"}) {
        CAPTURE(each);
        CHECK(http::media_type_of(each) == "application/octet-stream");
    }
}
