// Streams that a program puts over those of its connections, on both sides.
#include "../support/passing_stream.hpp"
#include "serving.hpp"

#include <weir/io/stream_layer.hpp>

#include <algorithm>

namespace {

// Hands everything on, and keeps what it sees.
class seen_stream final : public tests::passing_stream {
public:
    seen_stream(owned<io::stream> below, std::string& in, std::string& out)
        : passing_stream(std::move(below)), x_in(in), x_out(out) {}

    io::status fill(io::lease& into) noexcept override {
        const io::status came = passing_stream::fill(into);
        if (came == io::status::ready) x_in += as_text(into.bytes);
        return came;
    }
    std::size_t write(std::span<const bytes_view> pieces) noexcept override {
        const std::size_t taken = passing_stream::write(pieces);
        std::size_t left = taken;
        for (const bytes_view each : pieces) {
            x_out += as_text(each.first(std::min(left, each.size())));
            left -= std::min(left, each.size());
        }
        return taken;
    }

private:
    std::string& x_in;
    std::string& x_out;
};

struct layer final : io::stream_layer {
    owned<io::stream> put_over(owned<io::stream> below) noexcept override {
        ++made;
        if (refuses) return nullptr;
        return make_owned<seen_stream>(std::move(below), in, out);
    }
    std::string in, out;
    int made = 0;
    bool refuses = false;
};

} // namespace

TEST_CASE("a layer sees every byte of a connection, from the first of HTTP on, and what one side writes the other reads") {
    for (const bool memory : {true, false}) {
        CAPTURE(memory);
        layer ours, theirs;
        server of;
        of.websocket("/echo", echo);
        server_options options;
        options.layer = &theirs;
        const auto work = [&](net::endpoint at) -> task<> {
            auto ws = co_await weir::connect(url_of(at), {.layer = &ours});
            REQUIRE_MESSAGE(ws, ws.error().message());
            const std::string much(300'000, 'x');
            for (const std::string& each : {std::string("hello"), much}) {
                co_await ws->send(std::string_view(each));
                auto message = co_await ws->read();
                REQUIRE(message);
                CHECK((message->text() == each));
            }
            co_await ws->close();
            CHECK(ws->closed().code == ws::close_code::normal);
            CHECK(!ws->closed().error);
        };
        if (memory) in_memory(of, work, options, {.pipe_bytes = 5000, .fill_bytes = 3000, .fragment = true});
        else over_sockets(of, work, options);
        CHECK(ours.made == 1);
        CHECK(theirs.made == 1);
        CHECK(ours.out.starts_with("GET /echo HTTP/1.1\r\n"));
        CHECK(theirs.out.starts_with("HTTP/1.1 101 "));
        CHECK((ours.out == theirs.in));
        CHECK((ours.in == theirs.out));
        CHECK(contains(ours.in, std::string("\x81\x05hello", 7)));
    }
}

TEST_CASE("a layer that gives nothing: the client has an error, the server drops the connection and goes on") {
    layer ours, theirs;
    ours.refuses = theirs.refuses = true;
    server of;
    of.websocket("/echo", echo);
    server_options options;
    options.layer = &theirs;
    in_memory(of, [&](net::endpoint at) -> task<> {
        auto ws = co_await weir::connect(url_of(at), {.layer = &ours});
        CHECK(ws.error() == std::errc::not_enough_memory);
        auto dropped = co_await weir::connect(url_of(at));
        CHECK(!dropped);
        CHECK(theirs.made >= 1);
        theirs.refuses = false;
        auto again = co_await weir::connect(url_of(at));
        REQUIRE(again);
        co_await again->close();
    }, options);
}
