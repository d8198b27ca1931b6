// Pages of other origins: preflights, and what answers say of them.
#include "serving.hpp"

namespace {

std::string request(std::string_view line, std::string_view fields = {}) {
    return std::string(line) + "\r\nHost: here\r\nConnection: close\r\n" + std::string(fields) + "\r\n";
}
std::string preflight(std::string_view path, std::string_view method, std::string_view origin = "https://a.example") {
    return request("OPTIONS " + std::string(path) + " HTTP/1.1",
                   "Origin: " + std::string(origin) + "\r\nAccess-Control-Request-Method: " + std::string(method) + "\r\n");
}
task<> put(exchange& http) {
    http.respond("put");
    co_return;
}
task<> pour(exchange& http) {
    http.stream("poured");
    co_return;
}
task<> fail(exchange&) { co_return; }

struct expectation {
    const char* name;
    std::string sent;
    const char* status;
    std::vector<const char*> says;
    bool names_origin = false;
};

} // namespace

TEST_CASE("Fetch: what pages of other origins may ask") {
    const std::string_view friends[] = {"https://a.example"}, any[] = {"*"};
    server of;
    of.cors({.origins = friends});
    of.get("/item", "got");
    of.route("PUT", "/item", put);
    of.route("GET", "/stream", pour);
    of.route("GET", "/fails", fail);
    of.get("/open", "for all").cors({.origins = any});
    const std::string origin = "Origin: https://a.example\r\n";
    const std::vector<expectation> all = {
        {"a preflight", preflight("/item", "PUT"), "HTTP/1.1 204 ",
            {"Access-Control-Allow-Origin: https://a.example\r\n", "Access-Control-Allow-Methods: GET, HEAD, PUT, OPTIONS\r\n",
             "Access-Control-Max-Age: 600\r\n", "Vary: Origin\r\n"}, true},
        {"of a stranger", preflight("/item", "PUT", "https://b.example"), "HTTP/1.1 403 ", {"may not ask here", "Vary: Origin\r\n"}},
        {"of a route with rules of its own", preflight("/open", "GET", "https://b.example"), "HTTP/1.1 204 ",
            {"Access-Control-Allow-Origin: *\r\n", "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"}, true},
        {"for a method that the path lacks", preflight("/item", "DELETE"), "HTTP/1.1 204 ",
            {"Access-Control-Allow-Methods: GET, HEAD, PUT, OPTIONS\r\n"}, true},
        {"for nothing", preflight("/nowhere", "GET"), "HTTP/1.1 404 ", {"Access-Control-Allow-Origin: https://a.example\r\n"}, true},
        {"OPTIONS that are no preflight", request("OPTIONS /item HTTP/1.1", origin), "HTTP/1.1 204 ",
            {"Allow: GET, HEAD, PUT, OPTIONS\r\n", "Access-Control-Allow-Origin: https://a.example\r\n"}, true},
        {"an answer", request("GET /item HTTP/1.1", origin), "HTTP/1.1 200 ",
            {"Access-Control-Allow-Origin: https://a.example\r\n", "Vary: Origin\r\n"}, true},
        {"an answer in pieces", request("GET /stream HTTP/1.1", origin), "HTTP/1.1 200 ",
            {"Access-Control-Allow-Origin: https://a.example\r\n"}, true},
        {"a failure, which the page should see too", request("GET /fails HTTP/1.1", origin), "HTTP/1.1 500 ",
            {"Access-Control-Allow-Origin: https://a.example\r\n"}, true},
        {"another method", request("DELETE /item HTTP/1.1", origin), "HTTP/1.1 405 ",
            {"Access-Control-Allow-Origin: https://a.example\r\n"}, true},
        {"to a stranger", request("GET /item HTTP/1.1", "Origin: https://b.example\r\n"), "HTTP/1.1 200 ", {"Vary: Origin\r\n"}},
        {"to no page", request("GET /item HTTP/1.1"), "HTTP/1.1 200 ", {"Vary: Origin\r\n"}},
        {"for all", request("GET /open HTTP/1.1", "Origin: https://b.example\r\n"), "HTTP/1.1 200 ",
            {"Access-Control-Allow-Origin: *\r\n"}, true},
    };
    in_memory(of, [&](net::endpoint at) -> task<> {
        for (const expectation& each : all) {
            CAPTURE(each.name);
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            (void)co_await peer->send(each.sent);
            const std::string got = co_await peer->read_all();
            CAPTURE(got);
            CHECK(got.starts_with(each.status));
            for (const char* const what : each.says) CHECK(contains(got, what));
            CHECK(contains(got, "Access-Control-Allow-Origin") == each.names_origin);
        }
    });
}

TEST_CASE("Fetch: without rules nothing is said of other origins") {
    server of;
    of.get("/item", "got");
    in_memory(of, [](net::endpoint at) -> task<> {
        for (const std::string& each : {preflight("/item", "GET"), request("GET /item HTTP/1.1", "Origin: https://a.example\r\n")}) {
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            (void)co_await peer->send(each);
            const std::string got = co_await peer->read_all();
            CHECK(got.starts_with("HTTP/1.1 20"));
            CHECK(!contains(got, "Access-Control"));
            CHECK(!contains(got, "Vary"));
        }
    });
}
