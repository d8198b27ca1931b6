// Servers that shake hands over TLS and then fail: each ends what waits for them within its time, with an error that says what and
// where. Those that do not get as far are in server/tls.cpp, and bad certificates in net/tls_certificates.cpp.
#include "../net/certificates.hpp"
#include "played.hpp"

using tests::certificate;
using tests::credentials;

namespace {

struct deed {
    const char* name;
    std::string text;  // what it says over TLS; "ACCEPT" stands for a right answer to the handshake
    std::string under; // and then beneath TLS, as somebody in between could
    std::chrono::nanoseconds between; // bytes of the text; without a time between them they come at once
    enum { stays, ends, cut_off, resets } then;
    errc code; // errc{}: one of the system's
    std::string says;
};

// Takes one client, with its request, and does as told.
task<> act(net::listener& listener, tls_server& tls, const deed& what) {
    auto stream = co_await listener.accept();
    if (!stream) co_return;
    io::stream& below = **stream;
    raw_peer peer(tls.begin(std::move(*stream)));
    const std::string request = co_await peer.read_to("\r\n\r\n");
    std::string text = what.text;
    if (const std::size_t at = text.find("ACCEPT"); at != text.npos) text.replace(at, 6, accepting(request));
    if (what.between == 0ns) {
        co_await peer.send(std::move(text));
    } else {
        for (const char byte : text) {
            const bool sent = co_await peer.send(std::string(1, byte));
            const auto slept = co_await weir::sleep(what.between);
            if (!sent || !slept) co_return;
        }
    }
    (void)co_await weir::sleep(1s); // what was sent has arrived
    if (!what.under.empty()) below.write_piece(as_bytes(what.under));
    if (what.then == deed::ends) peer.end();
    if (what.then == deed::cut_off) below.close();
    if (what.then == deed::resets) below.reset();
    (void)co_await peer.read_all();
    if (what.then == deed::stays) (void)co_await weir::sleep(1h);
}

template <class Work>
task<> against(tls_server& tls, const deed& what, Work& work) {
    auto listener = net::listen("127.0.0.1", 0);
    REQUIRE(listener);
    scope all;
    all.spawn(act(*listener, tls, what));
    const std::string url = "wss://localhost:" + std::to_string(listener->local_endpoint().port()) + "/echo";
    co_await work(url);
    all.cancel();
    co_await all.join();
}

template <class Work>
void play(const deed& what, Work work) {
    tls_server tls(credentials::common().serving());
    tests::memory_loop loop;
    loop.run(against(tls, what, work));
    CHECK(loop.blocks().lent() == 0);
}

// What looks like a record, and is none: nobody but the two of them can make one.
const std::string forged = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');

} // namespace

TEST_CASE("servers that fail behind the TLS handshake, each within its time") {
    const std::string waiting = "waiting for the server's answer to the handshake: ";
    const std::string reading = "reading the server's answer to the handshake: ";
    const std::string with = "TLS with localhost: ", half = "HTTP/1.1 101 Switch";
    const std::string changed = "decryption failed or bad record mac: a TLS record was changed on its way";
    const std::string cut = "the connection ended, and the peer had not said so: something may be missing";
    const deed cases[] = {
        {"says nothing", "", "", 0ns, deed::stays, errc::timed_out, waiting + "timed out"},
        {"trickles a byte a second", "ACCEPT", "", 1s, deed::stays, errc::timed_out, waiting + "timed out"},
        {"stops in the middle", half, "", 0ns, deed::stays, errc::timed_out, waiting + "timed out"},
        {"ends at once", "", "", 0ns, deed::ends, errc::end_of_stream, waiting + "the peer ended the connection"},
        {"ends in the middle", half, "", 0ns, deed::ends, errc::end_of_stream,
            reading + "in the middle of an HTTP head: the peer ended the connection"},
        {"is cut off at once", "", "", 0ns, deed::cut_off, errc::tls_truncated, waiting + cut},
        {"is cut off in the middle", half, "", 0ns, deed::cut_off, errc::tls_truncated, waiting + cut},
        {"resets at once", "", "", 0ns, deed::resets, {}, waiting + "Connection reset by peer"},
        {"resets in the middle", half, "", 0ns, deed::resets, {}, waiting + "Connection reset by peer"},
        {"speaks SSH", "SSH-2.0-OpenSSH_9.2\r\n", "", 0ns, deed::stays, errc::bad_status_line,
            reading + "not HTTP: malformed HTTP status line"},
        {"speaks without TLS all of a sudden", "", "HTTP/1.1 101 Switching Protocols\r\n", 0ns, deed::stays, errc::tls_corrupt,
            reading + with + "wrong version number: a TLS record was changed on its way"},
        {"somebody forges a record", "", forged, 0ns, deed::stays, errc::tls_corrupt, reading + with + changed},
        {"somebody forges a record within the answer", half, forged, 0ns, deed::stays, errc::tls_corrupt, reading + with + changed},
        {"refuses", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 8\r\n\r\nwho, me?", "", 0ns, deed::stays, errc::unexpected_status,
            "the server answered 401 Unauthorized (\"who, me?\"): the server did not switch protocols"},
    };
    tls_client client(credentials::common().trusting());
    for (const deed& each : cases) {
        CAPTURE(std::string(each.name));
        play(each, [&](const std::string& url) -> task<> {
            const auto began = io::loop::current()->now();
            const auto ws = co_await weir::connect(url, {.timeout = 9s, .tls = &client});
            REQUIRE(!ws);
            if (each.code != errc{}) CHECK(ws.error() == each.code);
            CHECK(ws.error().message() == "opening " + url + ": " + each.says);
            CHECK(io::loop::current()->now() - began <= (each.code == errc::timed_out ? 9s : 2s));
        });
    }
}

TEST_CASE("open WebSockets over TLS whose server fails, and what is said of their end") {
    const std::string cut = "1006 (the connection ended, and the peer had not said so: something may be missing)";
    const std::string message("\x81\x02hi", 4);
    const struct {
        deed of;
        close_cause cause;
    } cases[] = {
        {{"falls silent", "ACCEPT" + message, "", 0ns, deed::stays, errc::timed_out,
             "the peer fell silent: 1006 \"nothing was received for 15 s\" (timed out)"},
            close_cause::timeout},
        {{"ends without a close frame", "ACCEPT" + message, "", 0ns, deed::ends, errc::end_of_stream,
             "the peer vanished without a close frame: 1006 (the peer ended the connection)"},
            close_cause::end_of_stream},
        {{"is cut off", "ACCEPT" + message, "", 0ns, deed::cut_off, errc::tls_truncated, "the connection broke: " + cut},
            close_cause::reset},
        {{"is cut off within a message", "ACCEPT" + message + "\x81\x05hel", "", 0ns, deed::cut_off, errc::tls_truncated,
             "the connection broke: " + cut},
            close_cause::reset},
        {{"resets", "ACCEPT" + message, "", 0ns, deed::resets, {}, "the connection broke: 1006 (Connection reset by peer)"},
            close_cause::reset},
        {{"somebody forges a record", "ACCEPT" + message, forged, 0ns, deed::stays, errc::tls_corrupt,
             "the connection broke: 1006 (a TLS record was changed on its way)"},
            close_cause::reset},
        {{"breaks the protocol", "ACCEPT" + message + "\xff\xff garbage", "", 0ns, deed::stays, errc::reserved_bits,
             "the peer broke the protocol: 1002 \"reserved bits 111 set without an extension (RFC 6455 5.2)\" (reserved bits set)"},
            close_cause::protocol_error},
    };
    tls_client client(credentials::common().trusting());
    for (const auto& [each, cause] : cases) {
        CAPTURE(std::string(each.name));
        play(each, [&](const std::string& url) -> task<> {
            auto ws = co_await weir::connect(url, {.tls = &client, .websocket = {.ping_interval = 10s, .ping_timeout = 5s}});
            REQUIRE_MESSAGE(ws, ws.error().message());
            const auto began = io::loop::current()->now();
            const auto first = co_await ws->read();
            REQUIRE(first);
            CHECK(first->text() == "hi");
            const auto second = co_await ws->read();
            CHECK(!second);
            const std::string said = ws->closed().message();
            CHECK(ws->closed().cause == cause);
            if (each.code != errc{}) CHECK(ws->closed().error == each.code);
            CHECK(said.substr(0, said.find("; ")) == each.says);
            CHECK(io::loop::current()->now() - began <= (cause == close_cause::timeout ? 15s : 7s));
        });
    }
}

TEST_CASE("a server that asks for a certificate, and a client that has none or another's") {
    const certificate people({.name = "People", .hosts = "", .authority = true});
    const certificate eve({.name = "Eve", .hosts = ""});
    const std::string whose = people.text(), chain = eve.text(), key = eve.key_text();
    tls_server_options serving = credentials::common().serving();
    serving.clients = tls_clients::required;
    serving.authorities.text = whose;
    tls_server tls(serving);
    tls_client_options as_eve = credentials::common().trusting();
    as_eve.certificate = {.chain_text = chain, .key_text = key};
    tls_client nobody(credentials::common().trusting()), of_eve(as_eve);
    server of;
    server_options options;
    options.tls = &tls;
    in_memory(of, [&](net::endpoint at) -> task<> {
        const std::string url = "wss://localhost:" + std::to_string(at.port()) + "/echo";
        const bool late = tests::speaks_1_3(); // where the client is done before the server has seen its certificate
        const std::string says = "TLS with localhost: the peer says ";
        const std::string where = "opening " + url + (late ? ": reading the server's answer to the handshake: " + says : ": " + says);
        auto ws = co_await weir::connect(url, {.tls = &nobody});
        REQUIRE(!ws);
        CHECK(ws.error() == errc::tls_refused);
        CHECK(ws.error().message() == where + (late ? "\"certificate required\"" : "\"handshake failure\"") + ": refused by the peer");
        ws = co_await weir::connect(url, {.tls = &of_eve});
        REQUIRE(!ws);
        CHECK(ws.error() == errc::tls_refused);
        CHECK(ws.error().message() == where + "\"unknown CA\": refused by the peer");
    }, options);
}
