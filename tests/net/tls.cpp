// TLS over pipes in memory: what comes through, how it ends, and what it holds.
#include "certificates.hpp"

#include <weir/coro/scope.hpp>
#include <weir/io/stream_signal.hpp>
#include <weir/net/secure.hpp>

using namespace weir;
using io::status;
using tests::certificate;
using tests::credentials;

namespace {

// Passes on to another stream, and notes what was written.
class tapped final : public io::stream {
public:
    explicit tapped(owned<io::stream> below) : x_below(std::move(below)) {}

    std::string written;
    int writes = 0;

    status fill(io::lease& into) noexcept override {
        const status came = x_below->fill(into);
        x_drained = x_below->drained();
        x_failure = x_below->failure();
        return came;
    }
    void release(io::lease&& unused) noexcept override { x_below->release(std::move(unused)); }
    std::size_t write(std::span<const bytes_view> pieces) noexcept override {
        std::size_t taken = x_below->write(pieces);
        x_failure = x_below->failure();
        ++writes;
        for (std::size_t left = taken; const bytes_view each : pieces) {
            written += as_text(each).substr(0, left);
            left -= std::min(left, each.size());
        }
        return taken;
    }
    void shutdown_write() noexcept override { x_below->shutdown_write(); }
    void close() noexcept override { x_below->close(); }
    void reset() noexcept override { x_below->reset(); }
    int descriptor() const noexcept override { return 77; }

    void watch() { x_below->observe(x_observer); }

private:
    owned<io::stream> x_below;
};

struct world : tests::memory_fixture {
    explicit world(const io::memory_options& options = {}, const tls_server_options& serving = credentials::common().serving(),
                   const tls_client_options& trusting = credentials::common().trusting())
        : tests::memory_fixture(options), client_side(trusting), server_side(serving) {
        REQUIRE_MESSAGE(client_side.check(), client_side.check().error().message());
        REQUIRE_MESSAGE(server_side.check(), server_side.check().error().message());
    }

    tests::tls_pair begin(const std::string& host = "localhost") {
        tls_running here(*this);
        return tests::begin_tls(pair(), client_side, server_side, host);
    }

    // With the handshake done on both sides.
    tests::tls_pair open(const std::string& host = "localhost") {
        tests::tls_pair made = begin(host);
        tests::told client, server;
        made.client->observe(&client);
        made.server->observe(&server);
        io::lease none;
        CHECK(made.server->fill(none) == status::blocked);
        const bool done = until([&] {
            return made.client->connected() == status::ready && made.server->connected() == status::ready;
        });
        REQUIRE_MESSAGE(done, (made.client->failure_detail() + " / " + made.server->failure_detail()));
        CHECK(made.client->fill(none) == status::blocked); // the tickets
        made.client->observe(nullptr);
        made.server->observe(nullptr);
        return made;
    }

    // Makes the loop the thread's, as while it turns.
    struct tls_running {
        explicit tls_running(world& of) : before(scheduler::current()) { scheduler::current() = &of.loop(); }
        tls_running(const tls_running&) = delete;
        ~tls_running() { scheduler::current() = before; }
        scheduler* before;
    };

    tls_client client_side;
    tls_server server_side;
};

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 % 251);
    return text;
}

task<> write_all(io::stream& to, io::stream_signal& signal, std::string_view text, bool& whole) {
    while (!text.empty()) {
        text.remove_prefix(tests::write_some(to, text));
        if (text.empty() || to.failure()) break;
        auto room = co_await signal.writable();
        if (!room) break;
    }
    whole = text.empty() && !to.failure();
}

// Up to the end, or a failure, or `most` bytes.
task<> read_all(io::stream& from, io::stream_signal& signal, std::string& into, status& end, std::size_t most = std::string::npos) {
    while (into.size() < most) {
        into += tests::read_some(from, &end);
        if (end == status::end || end == status::failed) break;
        if (end == status::ready) continue;
        auto news = co_await signal.readable();
        if (!news) break;
    }
}

// Each side sends a text and ends its direction; both texts arrive, and both ends are seen.
task<> exchange(tests::tls_pair both, std::string_view to_server, std::string_view to_client) {
    io::stream_signal client(*both.client), server(*both.server);
    std::string at_client, at_server;
    status client_end{}, server_end{};
    bool client_wrote = false, server_wrote = false;
    {
        scope all;
        all.spawn(write_all(*both.client, client, to_server, client_wrote));
        all.spawn(read_all(*both.client, client, at_client, client_end, to_client.size()));
        all.spawn(write_all(*both.server, server, to_client, server_wrote));
        all.spawn(read_all(*both.server, server, at_server, server_end, to_server.size()));
        co_await all.join();
    }
    CHECK_MESSAGE(client_wrote, (both.client->failure_detail() + both.client->failure().message()));
    CHECK(server_wrote);
    CHECK((at_client == to_client));
    CHECK((at_server == to_server));
    both.client->shutdown_write();
    co_await read_all(*both.server, server, at_server, server_end);
    CHECK(server_end == status::end);
    both.server->shutdown_write(); // which may speak on after the other's end
    co_await read_all(*both.client, client, at_client, client_end);
    CHECK(client_end == status::end);
    CHECK(at_client.size() == to_client.size());
    CHECK(at_server.size() == to_server.size());
}

task<> exchange_in(world& in, std::string_view to_server, std::string_view to_client) {
    co_await exchange(in.begin(), to_server, to_client);
}

} // namespace

TEST_CASE("what is written arrives, however the bytes are cut on their way") {
    const std::string much = pattern(300'000), little = pattern(5000), none;
    for (const io::memory_options& options :
         {io::memory_options{}, io::memory_options{.pipe_bytes = 1000, .fill_bytes = 1}, io::memory_options{.write_bytes = 1},
          io::memory_options{.pipe_bytes = 30'000, .fill_bytes = 20'000, .fragment = true},
          io::memory_options{.pipe_bytes = 300, .fill_bytes = 200, .fragment = true, .shuffle = true, .seed = 2,
                            .latency = std::chrono::milliseconds(1)}}) {
        const bool slow = options.fill_bytes == 1 || options.write_bytes == 1;
        for (const std::string* to_server : {&little, &none, &much})
            for (const std::string* to_client : {&little, &none, &much}) {
                if (slow && (to_server == &much || to_client == &much)) continue;
                world in(options);
                in.loop().run(exchange_in(in, *to_server, *to_client));
                CHECK(in.loop().blocks().lent() == 0);
            }
    }
}

TEST_CASE("RFC 8446 4.6.3: keys are changed, by both sides, as often as they are told to") {
    tls_server_options serving = credentials::common().serving();
    tls_client_options trusting = credentials::common().trusting();
    serving.key_bytes = 30'000;
    trusting.key_bytes = 1;
    const std::string much = pattern(300'000), little = pattern(5000);
    for (const io::memory_options& options :
         {io::memory_options{}, io::memory_options{.pipe_bytes = 3000, .fill_bytes = 700, .fragment = true}}) {
        world in(options, serving, trusting);
        in.loop().run(exchange_in(in, much, little));
        in.loop().run(exchange_in(in, little, much));
        CHECK(in.loop().blocks().lent() == 0);
    }
    if (!tests::speaks_1_3()) return;
    world in({}, serving, trusting);
    const tests::tls_pair both = in.open();
    CHECK(tests::write_some(*both.server, "hello") == 5);
    CHECK(both.server->bytes_under_way() == 5 + 22);
    CHECK(tests::write_some(*both.client, "hello") == 5);
    CHECK(both.client->bytes_under_way() == 5 + 22 + 5 + 22); // a KeyUpdate in front
}

TEST_CASE("both sides agree upon the latest version and the protocol, and nothing is held while nothing happens") {
    world in;
    tests::tls_pair both = in.open();
    for (const net::tls_stream* each : {&both.client_tls(), &both.server_tls()}) {
        CHECK(each->version() == (tests::speaks_1_3() ? "TLSv1.3" : "TLSv1.2"));
        CHECK(each->protocol() == "http/1.1");
        CHECK(!each->is_resumed());
        CHECK(each->descriptor() == -1);
        CHECK(each->bytes_under_way() == 0);
    }
    CHECK(in.loop().blocks().lent() == 0);
    CHECK(tests::write_some(*both.client, "hello") == 5);
    CHECK(both.client->bytes_under_way() > 5);
    CHECK(tests::read_some(*both.server) == "hello");
    CHECK(in.loop().blocks().lent() == 0);
}

TEST_CASE("much leaves in full records, several by one call; little pieces are put together") {
    for (const bool pieces : {false, true}) {
        world in({.pipe_bytes = 4'000'000});
        const world::tls_running here(in);
        auto below = in.pair();
        auto made = make_owned<tapped>(std::move(below.first));
        tapped& tap = *made;
        auto client = in.client_side.begin(owned<io::stream>(std::move(made)), "localhost", 443);
        REQUIRE(client);
        tap.watch();
        owned<io::stream> server = in.server_side.begin(std::move(below.second));
        CHECK((*client)->descriptor() == 77);
        io::lease none;
        CHECK(server->fill(none) == status::blocked);
        REQUIRE(in.until([&] { return (*client)->connected() == status::ready && server->connected() == status::ready; }));
        CHECK((*client)->fill(none) == status::blocked);
        tap.written.clear();
        tap.writes = 0;

        const std::string text = pattern(1'000'000);
        std::vector<bytes_view> parts;
        std::string_view left = text;
        while (!left.empty()) {
            const std::size_t wish = parts.size() % 3 == 0 ? 10 : parts.size() % 3 == 1 ? 5000 : 70'000;
            const std::size_t size = pieces ? std::min(left.size(), wish) : left.size();
            parts.push_back(as_bytes(left.substr(0, size)));
            if (pieces) parts.push_back({});
            left.remove_prefix(size);
        }
        CHECK((*client)->write(parts) == text.size());
        std::size_t records = 0, full = 0;
        for (std::size_t at = 0; at < tap.written.size();) {
            const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(tap.written[at + i]); };
            const std::size_t size = byte(3) * 256u + byte(4);
            REQUIRE(byte(0) == 23);
            ++records;
            full += size == 16384u + (tests::speaks_1_3() ? 17 : 24);
            at += 5 + size;
        }
        CHECK(records == (text.size() + 16383) / 16384);
        CHECK(full == text.size() / 16384);
        CHECK(tap.writes == 9); // of 7 records each

        std::string got;
        REQUIRE(in.until([&] { return (got += tests::read_some(*server)).size() >= text.size(); }));
        CHECK((got == text));
    }
}

TEST_CASE("a stream below that ends without close_notify is broken, and what came before it is read") {
    world in;
    tests::tls_pair both = in.begin();
    tls_server other(credentials::common().serving());
    auto below = in.pair();
    io::stream& cut = *below.first; // what somebody in between can do
    const world::tls_running here(in);
    auto begun = in.client_side.begin(std::move(below.first), "localhost", 443);
    owned<io::stream> server = other.begin(std::move(below.second));
    io::lease none;
    CHECK(server->fill(none) == status::blocked);
    REQUIRE(in.until([&] { return server->connected() == status::ready && (*begun)->connected() == status::ready; }));
    CHECK(tests::write_some(**begun, "all but") == 7);
    cut.close();
    status end{};
    std::string got;
    REQUIRE(in.until([&] {
        got += tests::read_some(*server, &end);
        return end == status::failed || end == status::end;
    }));
    CHECK(got == "all but");
    CHECK(end == status::failed);
    CHECK(server->failure() == errc::tls_truncated);
    CHECK(tests::write_some(*server, "x") == 0);
}

TEST_CASE("close says close_notify, and what was taken before it arrives even where the stream below takes it slowly") {
    for (const bool reads : {true, false}) {
        world in({.pipe_bytes = 500});
        auto work = [&]() -> task<> {
            tests::tls_pair both = in.begin();
            io::stream_signal server(*both.server);
            std::string got;
            status end{};
            io::lease none;
            (void)both.server->fill(none);
            {
                io::stream_signal client(*both.client);
                while (both.client->connected() == status::blocked) {
                    const auto news = co_await client.writable();
                    REQUIRE(news);
                }
            }
            const std::string text = pattern(40'000);
            const std::size_t taken = tests::write_some(*both.client, text);
            CHECK(taken == text.size()); // a batch is taken as a whole
            CHECK(both.client->bytes_under_way() > taken);
            both.client->close();
            CHECK(both.client->descriptor() == -1);
            CHECK(both.client->fill(none) == status::failed);
            CHECK(both.client->failure() == std::errc::not_connected);
            both.client.reset();
            if (!reads) co_return; // the loop gives it up after a while
            co_await read_all(*both.server, server, got, end);
            CHECK((got == text));
            CHECK(end == status::end);
        };
        const auto began = in.events().now();
        in.loop().run(work());
        CHECK(in.events().now() - began < std::chrono::seconds(6));
        CHECK(in.loop().blocks().lent() == 0);
    }
}

TEST_CASE("a byte that is changed on its way breaks the stream on both sides") {
    world in;
    const world::tls_running here(in);
    auto left = in.pair(), right = in.pair(); // and we are in between
    auto client = in.client_side.begin(std::move(left.first), "localhost", 443);
    owned<io::stream> server = in.server_side.begin(std::move(right.second));
    bool change = false;
    const auto pass_on = [&] {
        io::lease some;
        if (left.second->fill(some) == status::ready) {
            if (change) some.bytes[some.bytes.size() - 1] ^= std::byte{1};
            const bytes_view bytes = some.bytes;
            right.first->write({&bytes, 1});
            left.second->release(std::move(some));
        }
        if (right.first->fill(some) == status::ready) {
            const bytes_view bytes = some.bytes;
            left.second->write({&bytes, 1});
            right.first->release(std::move(some));
        }
    };
    io::lease none;
    (void)server->fill(none);
    REQUIRE(in.until([&] {
        pass_on();
        return (*client)->connected() == status::ready && server->connected() == status::ready;
    }));
    change = true;
    CHECK(tests::write_some(**client, "hello") == 5);
    status at_server{}, at_client{};
    REQUIRE(in.until([&] {
        pass_on();
        if (at_server != status::failed) CHECK(tests::read_some(*server, &at_server).empty());
        CHECK(tests::read_some(**client, &at_client).empty());
        return at_server == status::failed && at_client == status::failed;
    }));
    CHECK(server->failure() == errc::tls_corrupt);
    CHECK(server->failure_detail() == "TLS with the client: decryption failed or bad record mac");
    CHECK((*client)->failure() == errc::tls_refused);
    CHECK((*client)->failure_detail() == "TLS with localhost: the peer says \"bad record mac\"");
}

TEST_CASE("a session is resumed by the next connection of the same client to the same server") {
    world in;
    CHECK(!in.open().client_tls().is_resumed());
    for (int i = 0; i < 5; ++i) {
        tests::tls_pair again = in.open();
        CHECK(again.client_tls().is_resumed());
        CHECK(again.server_tls().is_resumed());
    }
    REQUIRE(in.server_side.reload()); // with new keys for tickets
    CHECK(!in.open().client_tls().is_resumed());
    CHECK(in.open().client_tls().is_resumed());
    tls_client other(credentials::common().trusting());
    std::swap(in.client_side, other);
    CHECK(!in.open().client_tls().is_resumed());
}

TEST_CASE("a connection that is broken off leaves its sessions alone") {
    world in;
    {
        tests::tls_pair both = in.open();
        both.client->reset();
        both.server->reset();
    }
    CHECK(in.open().client_tls().is_resumed());
}

TEST_CASE("what a stranger has left in OpenSSL's queue of errors does no harm, and what is ours is not left there") {
    struct stranger {
        int count = 0;
        void mess() {
            ERR_raise(ERR_LIB_SSL, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC); // which would end a connection
            ERR_raise(ERR_LIB_USER, ++count);
        }
    } other;
    world in({.pipe_bytes = 3000, .fill_bytes = 1000});
    tests::tls_pair both = in.begin();
    const world::tls_running here(in);
    io::lease none;
    CHECK(both.server->fill(none) == status::blocked);
    REQUIRE(in.until([&] {
        other.mess();
        return both.client->connected() == status::ready && both.server->connected() == status::ready;
    }));
    const std::string text = pattern(20'000);
    std::string got;
    std::size_t sent = 0;
    REQUIRE(in.until([&] {
        other.mess();
        sent += tests::write_some(*both.client, std::string_view(text).substr(sent));
        other.mess();
        got += tests::read_some(*both.server);
        return got.size() == text.size();
    }));
    CHECK((got == text));
    other.mess();
    CHECK(both.server->security()->protocol == "http/1.1");
    other.mess();
    both.client->shutdown_write();
    status end{};
    REQUIRE(in.until([&] {
        other.mess();
        tests::read_some(*both.server, &end);
        return end == status::end || end == status::failed;
    }));
    CHECK(end == status::end);
    ERR_clear_error();
    both.server->close();
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("names in certificates are given as they are, whatever is in them") {
    const certificate people({.name = "People", .hosts = "", .authority = true});
    const certificate guest({.name = "Guest, DNS:admin\n", .hosts = "otherName:1.2.3.4;UTF8:x,DNS:x\x01y,RID:1.2.3", .by = &people});
    const std::string whose = people.text(), chain = guest.text(), key = guest.key_text();
    tls_server_options serving = credentials::common().serving();
    serving.clients = tls_clients::required;
    serving.authorities.text = whose;
    tls_client_options trusting = credentials::common().trusting();
    trusting.certificate = {.chain_text = chain, .key_text = key};
    world in({}, serving, trusting);
    tests::tls_pair early = in.begin();
    CHECK(!early.client->security());
    CHECK(!early.server->security());
    const tests::tls_pair both = in.open();
    const connection_security* const seen = both.server->security();
    REQUIRE(seen);
    CHECK(seen == both.server->security());
    CHECK(seen->subject == "Guest, DNS:admin\n");
    REQUIRE(seen->names.size() == 1);
    CHECK(seen->names[0] == "DNS:x\x01y");
    CHECK(seen->fingerprint == guest.fingerprint());
    CHECK(both.client->security()->subject == "localhost");
    CHECK(both.client->security()->names.size() == 2);
}
