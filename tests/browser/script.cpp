// browser/script.hpp: the script as it is served. What it does is for channel.py, guests.py and the tests in Chromium.
#include <weir/browser/script.hpp>

#include <doctest/doctest.h>

TEST_CASE("the script is JavaScript of less than 6 KiB") {
    const weir::response script = weir::browser_script();
    CHECK(script.status == weir::http::status::ok);
    CHECK(script.content_type == "text/javascript; charset=utf-8");
    CHECK(script.body.size() < 6 * 1024);
    CHECK(script.body.starts_with("("));
    CHECK(script.body.ends_with("(globalThis);"));
}

TEST_CASE("the module is the script and an export") {
    const std::string script = weir::browser_script().body;
    const weir::response module_of_it = weir::browser_module();
    CHECK(module_of_it.content_type == "text/javascript; charset=utf-8");
    CHECK(module_of_it.body == script + "\nexport const Channel=weir.Channel;\n");
}
