// Static files: what is served of a folder, in which parts and forms, and what is not.
#include "serving.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>

namespace fs = std::filesystem;

namespace {

struct tree {
    tree() {
        std::string pattern = (fs::temp_directory_path() / "weir-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()));
        all = pattern;
        fs::create_directories(at("sub/bare"));
        fs::create_directories(at(".git"));
        std::ofstream(all / "secret") << "secret";
        write("index.html", "<p>front</p>");
        write("sub/index.html", "<p>sub</p>");
        write("digits", "0123456789");
        write("empty.txt", "");
        write("app.js", "let plain;");
        write("app.js.gz", "zipped");
        write("old.css", "plain");
        write("old.css.gz", "stale");
        write("r\xC3\xA9sum\xC3\xA9 1.txt", "caf\xC3\xA9");
        write(".git/config", "private");
        write(".env", "private");
        fs::create_symlink("digits", at("link"));
        fs::create_symlink("../secret", at("out"));
        fs::create_symlink(all / "secret", at("absolute"));
        fs::create_symlink("..", at("up"));
        age("old.css.gz", 60s);
        for (const char* each : {"digits", "app.js", "app.js.gz"}) {
            const timespec times[2] = {{784111777, 0}, {784111777, 0}}; // Sun, 06 Nov 1994 08:49:37 GMT
            REQUIRE(::utimensat(AT_FDCWD, at(each).c_str(), times, 0) == 0);
        }
    }
    ~tree() { fs::remove_all(all); }

    fs::path at(const std::string& name) const { return all / "public" / name; }
    void write(const std::string& name, const std::string& text) const { std::ofstream(at(name), std::ios::binary) << text; }
    void age(const std::string& name, std::chrono::seconds by) const {
        fs::last_write_time(at(name), fs::last_write_time(at(name)) - by);
    }

    fs::path all;
};

std::string request(std::string_view target, std::string_view fields = {}, std::string_view method = "GET") {
    return std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: here\r\n" + std::string(fields) + "\r\n";
}

struct expectation {
    std::string name;
    std::string sent;
    const char* status;
    std::vector<std::string> says = {};
    std::optional<std::string> body = {};
    std::vector<std::string> not_said = {};
};

task<> expect(net::endpoint at, const expectation& one) {
    CAPTURE(one.name);
    std::unique_ptr<raw_peer> peer = co_await dial(at);
    const bool head = one.sent.starts_with("HEAD");
    (void)co_await peer->send(one.sent);
    const std::string got = co_await peer->read_response(!head);
    CAPTURE(got);
    CHECK(got.starts_with(std::string("HTTP/1.1 ") + one.status + " "));
    for (const std::string& each : one.says) CHECK(contains(got, each));
    for (const std::string& each : one.not_said) CHECK(!contains(got, each));
    if (one.body) CHECK(got.substr(got.find("\r\n\r\n") + 4) == *one.body);
    (void)co_await peer->send(request("/static/digits", "Connection: close\r\n")); // the connection is in order
    const std::string next = co_await peer->read_all();
    CHECK(next.ends_with("\r\n\r\n0123456789"));
}

const std::string tag = "\"a-2ebc98a1.0\"", then = "Sun, 06 Nov 1994 08:49:37 GMT"; // of digits

std::vector<expectation> expectations() {
    const std::string gzip = "Accept-Encoding: gzip, br\r\n";
    return {
        {"a file", request("/static/digits"), "200",
            {"Content-Type: application/octet-stream\r\n", "Content-Length: 10\r\n", "ETag: " + tag + "\r\n",
             "Last-Modified: " + then + "\r\n", "Accept-Ranges: bytes\r\n", "Cache-Control: no-cache\r\n",
             "X-Content-Type-Options: nosniff\r\n", "Vary: Accept-Encoding\r\n"}, "0123456789"},
        {"a query does not matter", request("/static/digits?v=2"), "200", {}, "0123456789"},
        {"an empty file", request("/static/empty.txt"), "200",
            {"Content-Length: 0\r\n", "Content-Type: text/plain; charset=utf-8\r\n"}, ""},
        {"a name that is encoded", request("/static/r%C3%A9sum%C3%A9%201.txt"), "200", {}, "caf\xC3\xA9"},
        {"the index", request("/static/"), "200", {"Content-Type: text/html; charset=utf-8\r\n"}, "<p>front</p>"},
        {"the index of a folder", request("/static/sub/"), "200", {}, "<p>sub</p>"},
        {"a folder without its slash", request("/static/sub"), "301", {"Location: ./sub/\r\n"}},
        {"the folder itself without its slash", request("/static"), "301", {"Location: ./static/\r\n"}},
        {"a folder without an index", request("/static/sub/bare/"), "404"},
        {"... without its slash", request("/static/sub/bare"), "404"},
        {"no file", request("/static/missing"), "404", {"There is nothing at this path."}},
        {"a slash behind a file", request("/static/digits/"), "404"},
        {"a link that stays inside", request("/static/link"), "200", {}, "0123456789"},
        {"HEAD", request("/static/digits", {}, "HEAD"), "200", {"Content-Length: 10\r\n", "ETag: " + tag + "\r\n"}, ""},
        {"HEAD of nothing", request("/static/missing", {}, "HEAD"), "404", {}, ""},
        {"another method", request("/static/digits", {}, "DELETE"), "405", {"Allow: GET, HEAD, OPTIONS\r\n"}},

        {"RFC 9110 14.2: a range", request("/static/digits", "Range: bytes=2-4\r\n"), "206",
            {"Content-Range: bytes 2-4/10\r\n", "Content-Length: 3\r\n"}, "234"},
        {"... from somewhere", request("/static/digits", "Range: bytes=7-\r\n"), "206", {"Content-Range: bytes 7-9/10\r\n"}, "789"},
        {"... at the end", request("/static/digits", "Range: bytes=-3\r\n"), "206", {"Content-Range: bytes 7-9/10\r\n"}, "789"},
        {"... over the end", request("/static/digits", "Range: bytes=8-100\r\n"), "206", {"Content-Range: bytes 8-9/10\r\n"}, "89"},
        {"... behind the end", request("/static/digits", "Range: bytes=10-\r\n"), "416", {"Content-Range: bytes */10\r\n"}},
        {"... of nothing", request("/static/empty.txt", "Range: bytes=0-\r\n"), "416", {"Content-Range: bytes */0\r\n"}},
        {"several ranges: all of it", request("/static/digits", "Range: bytes=0-1,4-5\r\n"), "200", {}, "0123456789", {"Content-Range"}},
        {"another unit", request("/static/digits", "Range: lines=0-1\r\n"), "200", {}, "0123456789"},
        {"nonsense", request("/static/digits", "Range: bytes=4-2\r\n"), "200", {}, "0123456789"},
        {"RFC 9110 14.2: HEAD has no ranges", request("/static/digits", "Range: bytes=2-4\r\n", "HEAD"), "200",
            {"Content-Length: 10\r\n"}, ""},
        {"RFC 9110 13.1.5: a range if it is the same",
            request("/static/digits", "Range: bytes=2-4\r\nIf-Range: " + tag + "\r\n"), "206", {}, "234"},
        {"... if it is of that date", request("/static/digits", "Range: bytes=2-4\r\nIf-Range: " + then + "\r\n"), "206", {}, "234"},
        {"... else all of it", request("/static/digits", "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n"), "200", {}, "0123456789"},

        {"RFC 9110 13.1.2: not modified", request("/static/digits", "If-None-Match: " + tag + "\r\n"), "304",
            {"ETag: " + tag + "\r\n", "Vary: Accept-Encoding\r\n", "Cache-Control: no-cache\r\n"}, "", {"Content-Length", "Content-Type"}},
        {"... before a range", request("/static/digits", "If-None-Match: " + tag + "\r\nRange: bytes=2-4\r\n"), "304", {}, ""},
        {"... modified", request("/static/digits", "If-None-Match: \"other\"\r\n"), "200", {}, "0123456789"},
        {"RFC 9110 13.1.3: not modified since", request("/static/digits", "If-Modified-Since: " + then + "\r\n"), "304", {}, ""},
        {"... modified since", request("/static/digits", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n"), "200", {}, "0123456789"},
        {"RFC 9110 13.1.1: only this", request("/static/digits", "If-Match: \"other\"\r\n"), "412"},

        {"a sibling that is compressed", request("/static/app.js", gzip), "200",
            {"Content-Encoding: gzip\r\n", "Content-Type: text/javascript; charset=utf-8\r\n", "Vary: Accept-Encoding\r\n",
             "ETag: \"6-2ebc98a1.0-gzip\"\r\n", "Content-Length: 6\r\n"}, "zipped"},
        {"... not modified", request("/static/app.js", gzip + "If-None-Match: \"6-2ebc98a1.0-gzip\"\r\n"), "304", {}, ""},
        {"... not for everybody", request("/static/app.js"), "200", {"Vary: Accept-Encoding\r\n"}, "let plain;", {"Content-Encoding"}},
        {"... who refuses it", request("/static/app.js", "Accept-Encoding: gzip;q=0, *\r\n"), "200", {}, "let plain;",
            {"Content-Encoding"}},
        {"... by its own name", request("/static/app.js.gz", gzip), "200", {"Content-Type: application/gzip\r\n"}, "zipped",
            {"Content-Encoding"}},
        {"... a part of it", request("/static/app.js", gzip + "Range: bytes=0-2\r\n"), "206",
            {"Content-Encoding: gzip\r\n", "Content-Range: bytes 0-2/6\r\n"}, "zip"},
        {"... if it is older", request("/static/old.css", gzip), "200", {}, "plain", {"Content-Encoding"}},

        {"other options: no index", request("/other/"), "404"},
        {"... all files", request("/other/.env"), "200", {}, "private"},
        {"... not compressed", request("/other/app.js", gzip), "200", {"Cache-Control: max-age=60\r\n"}, "let plain;",
            {"Vary", "Content-Encoding"}},
    };
}

// What must not be found.
std::vector<std::string> escapes(const tree& of) {
    std::vector<std::string> all = {"/static/../secret", "/static/%2e%2e/secret", "/static/..%2fsecret", "/static/%2e%2e%2fsecret",
        "/static/.%2e/secret", "/static/sub/../../secret", "/static/sub/%2E%2E/%2E%2E/secret", "/static/%252e%252e/secret",
        "/static/..%5csecret", "/static/..\\secret", "/static/digits%00", "/static/digits%00.html", "/static/%00",
        "/static//digits", "/static/./digits", "/static/%2fdigits", "/static/out", "/static/absolute", "/static/up/secret",
        "/static/up/", "/static/.env", "/static/.git/config", "/static/.git/", "/static/%2eenv", "/static/%2egit%2fconfig",
        "/static/sub%2f..%2f.env", "/static/..", "/static/%2e%2e", "/static/%2e%2e/", "/static/...", "/staticdigits",
        "/static/" + std::string(3000, 'x'), "/static/" + std::string(300, 'y') + "/z"};
    all.push_back("/static/" + (of.all / "secret").string());
    std::string encoded = "/static/";
    for (const char c : (of.all / "secret").string()) encoded += c == '/' ? std::string("%2F") : std::string(1, c);
    all.push_back(encoded);
    return all;
}

void add_files(server& to, const tree& from) {
    to.files("/static", from.at("").string());
    to.files("/other/", from.at("").string(), {.index = {}, .cache_control = "max-age=60", .gzip = false, .dot_files = true});
}

} // namespace

TEST_CASE("files: requests and answers") {
    const tree from;
    const std::vector<expectation> all = expectations();
    auto work = [&](net::endpoint at) -> task<> {
        for (const expectation& each : all) co_await expect(at, each);
    };
    {
        server of;
        add_files(of, from);
        in_memory(of, work);
    }
    {
        server of;
        add_files(of, from);
        in_memory(of, work, {}, {.pipe_bytes = 500, .fill_bytes = 60, .fragment = true, .latency = 1ms});
    }
    {
        server of;
        add_files(of, from);
        over_sockets(of, work);
    }
}

TEST_CASE("files: nothing outside of the folder, and nothing hidden") {
    const tree from;
    server of;
    add_files(of, from);
    in_memory(of, [&](net::endpoint at) -> task<> {
        for (const std::string& each : escapes(from)) {
            CAPTURE(each);
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            (void)co_await peer->send(request(each, "Connection: close\r\n"));
            const std::string got = co_await peer->read_all();
            CHECK(got.starts_with("HTTP/1.1 404 "));
            CHECK(!contains(got, "secret"));
            CHECK(!contains(got, "private"));
        }
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        (void)co_await peer->send(request("/static/%zz", "Connection: close\r\n"));
        const std::string got = co_await peer->read_all();
        CHECK(got.starts_with("HTTP/1.1 400 "));
    });
}

TEST_CASE("files: of the whole server, beside other routes") {
    const tree from;
    server of;
    of.files("/", from.at("").string());
    of.get("/app.js", "of the program");
    of.websocket("/echo", echo);
    in_memory(of, [](net::endpoint at) -> task<> {
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        for (const auto& each : std::vector<std::pair<std::string, std::string>>{
                 {"/", "<p>front</p>"}, {"/digits", "0123456789"}, {"/app.js", "of the program"}, {"/sub/", "<p>sub</p>"}}) {
            (void)co_await peer->send(request(each.first));
            const std::string got = co_await peer->read_response();
            CHECK(got.ends_with("\r\n\r\n" + each.second));
        }
        (void)co_await peer->send(request("//evil.example/.."));
        const std::string evil = co_await peer->read_response();
        CHECK(evil.starts_with("HTTP/1.1 404 "));
        (void)co_await peer->send(request("/echo"));
        const std::string plain = co_await peer->read_response();
        CHECK(plain.starts_with("HTTP/1.1 426 "));
    });
}

TEST_CASE("files: a large one comes whole, and as fast as it is taken") {
    const tree from;
    std::string large(3'000'000, ' ');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>('a' + i % 26 * 7 % 26 + i / 1000 % 2);
    from.write("large", large);
    for (const bool slow : {false, true}) {
        server of;
        add_files(of, from);
        in_memory(of, [&](net::endpoint at) -> task<> {
            std::unique_ptr<raw_peer> peer = co_await dial(at);
            (void)co_await peer->send(request("/static/large"));
            if (slow) (void)co_await weir::sleep(5s);
            const std::string got = co_await peer->read_response();
            CHECK(got.substr(got.find("\r\n\r\n") + 4) == large);
            (void)co_await peer->send(request("/static/large", "Range: bytes=1000000-2999999\r\nConnection: close\r\n"));
            const std::string part = co_await peer->read_all();
            CHECK(part.substr(part.find("\r\n\r\n") + 4) == large.substr(1'000'000));
        }, {}, {.pipe_bytes = slow ? std::size_t(10'000) : std::size_t(1'000'000)});
    }
    server of;
    add_files(of, from);
    over_sockets(of, [&](net::endpoint at) -> task<> {
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        (void)co_await peer->send(request("/static/large", "Connection: close\r\n"));
        const std::string got = co_await peer->read_all();
        CHECK(got.substr(got.find("\r\n\r\n") + 4) == large);
    });
}

TEST_CASE("files: one that shrinks while it is sent") {
    const tree from;
    from.write("large", std::string(3'000'000, 'x'));
    journal log;
    server of;
    add_files(of, from);
    in_memory(of, [&](net::endpoint at) -> task<> {
        std::unique_ptr<raw_peer> peer = co_await dial(at);
        (void)co_await peer->send(request("/static/large"));
        (void)co_await weir::sleep(1s);
        fs::resize_file(from.at("large"), 10);
        const std::string got = co_await peer->read_all();
        CHECK(got.starts_with("HTTP/1.1 200 "));
        CHECK(got.size() < 3'000'000);
        CHECK(peer->failure() == std::errc::connection_reset);
    }, {.log = log.hook()}, {.pipe_bytes = 10'000});
    CHECK(log.has("3 a file could not be read to its end [/static/large"));
}

TEST_CASE("files: a folder that is not there") {
    server of;
    of.files("/static", "/nowhere/at/all");
    tests::memory_loop loop;
    loop.run([](server& which) -> task<> {
        const result<> listening = which.listen({.host = "127.0.0.1"});
        REQUIRE(!listening);
        CHECK(listening.error().message() ==
              "serving /static/{path...}: opening the folder /nowhere/at/all: No such file or directory");
        co_return;
    }(of));
}
