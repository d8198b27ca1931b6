// RFC 7692, section 7.2: the codec of permessage-deflate. Needs zlib.
#include <weir/protocol/ws/deflate.hpp>

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include <malloc.h>

using namespace weir;
using namespace std::string_literals;
using ws::opcode;
using progress = ws::deflate_codec::progress;

namespace {

struct codecs {
    weir::owned<ws::message_codec> server, client;
};

// Both sides, as their handshake would make them.
codecs agree(const compression_options& server, const compression_options& client) {
    http::fields request, response;
    REQUIRE(request.add("Sec-WebSocket-Extensions", ws::deflate_messages.offer(client)));
    codecs both;
    both.server = ws::deflate_messages.accept(request, server);
    REQUIRE(both.server);
    REQUIRE(response.add("Sec-WebSocket-Extensions", both.server->agreed()));
    auto confirmed = ws::deflate_messages.confirm(response, client);
    REQUIRE(confirmed);
    both.client = std::move(*confirmed);
    REQUIRE(both.client);
    CHECK(both.client->agreed() == both.server->agreed());
    return both;
}
codecs agree(const compression_options& both = {}) { return agree(both, both); }

const compression_options with_takeover{.context_takeover = true, .peer_context_takeover = true};

std::string compress_piece(ws::message_codec& by, std::string_view payload, bool last) {
    block_pool pool;
    buffer out(pool);
    by.compress_piece(as_bytes(payload), last, out);
    return std::string(as_text(out.view()));
}
std::string compress(ws::message_codec& by, std::string_view payload) {
    block_pool pool;
    buffer out(pool);
    REQUIRE(out.append(as_bytes("before")));
    const bool smaller = by.compress(as_bytes(payload), out);
    const std::string all(as_text(out.view()));
    CHECK(all.starts_with("before"));
    if (!smaller) CHECK(all.size() == 6);
    return smaller ? all.substr(6) : "";
}

struct outcome {
    std::string text;
    progress state = progress::more_input;
};

// Feeds the message in pieces of `in` bytes, and takes out at most `room` bytes at once.
outcome decompress(ws::message_codec& by, std::string_view message, std::size_t in = 1u << 30, std::size_t room = 4096,
                   std::size_t most = 1u << 30) {
    outcome all;
    std::vector<std::byte> out(room);
    do {
        bytes_view piece = as_bytes(message.substr(0, in));
        message.remove_prefix(piece.size());
        for (;;) {
            const auto got = static_cast<ws::deflate_codec&>(by).inflate(piece, message.empty(), out);
            CHECK(got.size <= room);
            all.text += as_text({out.data(), got.size});
            all.state = got.state;
            if (got.state != progress::more_room || all.text.size() > most) break;
        }
        if (all.state == progress::corrupt || all.text.size() > most) return all;
    } while (!message.empty());
    return all;
}

// With all sizes of pieces and room; without takeover, so that each time is like the first.
void check_decompresses(std::string_view message, std::string_view expected) {
    for (const std::size_t in : {1u, 2u, 3u, 5u, 1000u})
        for (const std::size_t room : {1u, 2u, 5u, 6u, 4096u}) {
            CAPTURE(in);
            CAPTURE(room);
            const codecs both = agree();
            for (int i = 0; i < 2; ++i) {
                const outcome got = decompress(*both.server, message, in, room);
                CHECK(got.state == progress::complete);
                CHECK(got.text == expected);
            }
        }
}

// Text that compresses, neither too well nor too badly.
std::string sample(std::size_t size, std::uint32_t seed = 1) {
    std::string made;
    for (std::uint32_t state = seed; made.size() < size; state = state * 1664525 + 1013904223)
        made += "{\"price\":" + std::to_string(state >> 20) + ",\"symbol\":\"" + "ABCDEFGH"[state >> 29] + "\"},";
    made.resize(size);
    return made;
}
std::string noise(std::size_t size, std::uint32_t state = 7) {
    std::string made;
    while (made.size() < size) {
        state = state * 1664525 + 1013904223;
        made += static_cast<char>(state >> 24);
    }
    return made;
}

} // namespace

TEST_CASE("7.2.3.1: a message compressed with one block") {
    const std::string hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"s;
    check_decompresses(hello, "Hello");
    const codecs both = agree();
    CHECK(compress_piece(*both.server, "Hello", true) == hello);
}

TEST_CASE("7.2.3.2: sharing the window") {
    const codecs both = agree(with_takeover);
    CHECK(both.server->agreed() == "permessage-deflate");
    CHECK(compress_piece(*both.client, "Hello", true) == "\xf2\x48\xcd\xc9\xc9\x07\x00"s);
    CHECK(compress_piece(*both.client, "Hello", true) == "\xf2\x00\x11\x00\x00"s);
    CHECK(decompress(*both.server, "\xf2\x48\xcd\xc9\xc9\x07\x00"s).text == "Hello");
    for (int i = 0; i < 3; ++i) {
        const outcome again = decompress(*both.server, "\xf2\x00\x11\x00\x00"s);
        CHECK(again.state == progress::complete);
        CHECK(again.text == "Hello");
    }
    const codecs fresh = agree();
    CHECK(decompress(*fresh.server, "\xf2\x00\x11\x00\x00"s).state == progress::corrupt); // refers to nothing
}

TEST_CASE("7.2.3.3: a block without compression") {
    check_decompresses("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"s, "Hello");
}

TEST_CASE("7.2.3.4: a block with BFINAL set") {
    const std::string hello = "\xf3\x48\xcd\xc9\xc9\x07\x00"s;
    check_decompresses(hello + "\x00"s, "Hello");
    check_decompresses(hello, "Hello"); // without the empty block that should follow
    const codecs both = agree(with_takeover); // the window outlives such a block
    CHECK(decompress(*both.server, hello + "\x00"s).text == "Hello");
    const outcome again = decompress(*both.server, "\xf2\x00\x11\x00\x00"s);
    CHECK(again.state == progress::complete);
    CHECK(again.text == "Hello");
    CHECK(decompress(*both.server, hello + hello + "\x00"s).text == "HelloHello");
}

TEST_CASE("7.2.3.5: two blocks in a message") {
    check_decompresses("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s, "Hello");
}

TEST_CASE("7.2.3.6: an empty message") {
    check_decompresses("\x00"s, "");
    check_decompresses("", ""); // not as the RFC has it, but there is nothing else that it could mean
    const codecs both = agree(with_takeover);
    CHECK(compress_piece(*both.client, "", true) == "\x00"s);
    for (int i = 0; i < 3; ++i) {
        const std::string sent = compress_piece(*both.client, "", true);
        CHECK(sent == "\x00"s);
        CHECK(decompress(*both.server, sent).state == progress::complete);
        const std::string next = compress_piece(*both.client, "Hello", true);
        CHECK(decompress(*both.server, next).text == "Hello");
    }
}

TEST_CASE("a message that ends with a whole flush, as some send those that end with an empty fragment") {
    check_decompresses("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"s, "Hello");
    const codecs both = agree(with_takeover);
    CHECK(decompress(*both.server, "\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"s).text == "Hello");
    CHECK(decompress(*both.server, "\xf2\x00\x11\x00\x00"s).text == "Hello");
}

TEST_CASE("by pieces: each can be decompressed when it comes") {
    for (const bool takeover : {false, true}) {
        const codecs both = takeover ? agree(with_takeover) : agree();
        for (int round = 0; round < 3; ++round) {
            std::vector<std::byte> out(1000);
            const std::string_view pieces[] = {"one ", "", "two ", "", "", ""};
            for (std::size_t i = 0; i < 6; ++i) {
                const std::string sent = compress_piece(*both.client, pieces[i], i == 5);
                bytes_view input = as_bytes(sent);
                const auto got = static_cast<ws::deflate_codec&>(*both.server).inflate(input, i == 5, out);
                CHECK(as_text({out.data(), got.size}) == pieces[i]);
                CHECK(got.state == (i == 5 ? progress::complete : progress::more_input));
            }
        }
    }
}

TEST_CASE("every pair of parameters, both directions") {
    for (int bits = 8; bits <= 15; ++bits)
        for (int peer_bits = 8; peer_bits <= 15; ++peer_bits)
            for (const bool takeover : {false, true})
                for (const bool peer_takeover : {false, true}) {
                    const compression_options client{.window_bits = bits, .peer_window_bits = peer_bits,
                                                     .context_takeover = takeover, .peer_context_takeover = peer_takeover};
                    const codecs both = agree(with_takeover, client);
                    CAPTURE(both.server->agreed());
                    for (const std::size_t size : {300u, 5000u, 700u}) {
                        const std::string text = sample(size);
                        for (int way = 0; way < 2; ++way) {
                            ws::message_codec& from = way ? *both.server : *both.client;
                            ws::message_codec& to = way ? *both.client : *both.server;
                            const std::string sent = compress(from, text);
                            REQUIRE_FALSE(sent.empty());
                            CHECK(sent.size() < size);
                            const outcome got = decompress(to, sent, 100, 100);
                            CHECK(got.state == progress::complete);
                            CHECK(got.text == text);
                        }
                    }
                }
}

TEST_CASE("nothing refers back further than was agreed, with 8 bits neither") {
    // A byte at a time into a window of that size: a distance beyond it cannot be followed.
    for (const int bits : {8, 9, 10}) {
        for (const int level : {1, 4, 6, 9}) {
            CAPTURE(bits);
            CAPTURE(level);
            const compression_options client{.peer_window_bits = bits, .peer_context_takeover = true};
            compression_options server = with_takeover;
            server.level = level;
            const codecs both = agree(server, client);
            std::string all;
            for (std::size_t period = 230; period < 270; ++period) { // what repeats is about as far away as the window is wide
                const std::string once = noise(period, static_cast<std::uint32_t>(period));
                all += once + once + once + sample(1000) + std::string(700, 'x');
            }
            const std::string sent = compress(*both.server, all);
            const outcome got = decompress(*both.client, sent, 1u << 30, 1);
            CHECK(got.state == progress::complete);
            CHECK(got.text == all);
        }
    }
}

TEST_CASE("what does not become smaller is not compressed, unless the next message may refer to it") {
    const codecs without = agree();
    CHECK(compress(*without.server, noise(1000)).empty());
    CHECK(compress(*without.server, noise(100'000)).empty());
    CHECK(compress(*without.server, "abc").empty());
    const std::string text = sample(1000);
    CHECK(decompress(*without.client, compress(*without.server, text)).text == text);
    const codecs with = agree(with_takeover);
    for (int i = 0; i < 2; ++i) {
        const std::string sent = compress(*with.server, noise(20'000));
        CHECK((sent.size() < 200) == (i == 1));
        CHECK(decompress(*with.client, sent).text == noise(20'000));
    }
}

TEST_CASE("a whole message while one is sent by pieces") {
    const std::string text = sample(1000);
    const codecs without = agree();
    std::string sent = compress_piece(*without.server, text, false);
    const std::string between = compress(*without.server, text);
    CHECK_FALSE(between.empty());
    sent += compress_piece(*without.server, text, true);
    CHECK(decompress(*without.client, sent).text == text + text);
    CHECK(decompress(*without.client, between).text == text);
    const codecs with = agree(with_takeover);
    sent = compress_piece(*with.server, text, false);
    CHECK(compress(*with.server, text).empty()); // it would be behind the end that is not there yet
    sent += compress_piece(*with.server, text, true);
    CHECK(decompress(*with.client, sent).text == text + text);
}

TEST_CASE("a gigabyte of zeros out of a megabyte: a step gives no more than there is room for") {
    const codecs both = agree({.level = 9});
    const std::string zeros(16 * 1024 * 1024, '\0');
    std::string bomb = compress_piece(*both.client, zeros, false);
    const std::string more = compress_piece(*both.client, zeros, false); // behind others, as all that follow
    for (int i = 1; i < 64; ++i) bomb += more;
    bomb += compress_piece(*both.client, "", true);
    CHECK(bomb.size() < 1200 * 1024);
    const outcome got = decompress(*both.server, bomb, 1u << 30, 4096, 1'000'000);
    CHECK(got.state == progress::more_room);
    CHECK(got.text.size() <= 1'000'000 + 4096);
}

TEST_CASE("what cannot be decompressed") {
    const std::string_view cases[] = {
        std::string_view("\x07", 1),                         // a reserved kind of block
        std::string_view("\x00\x05\x00\x00\x00Hello\x00", 11), // the complement of a length is wrong
        std::string_view("\xf2\x48\xcd\xc9\xc9\x07", 6),     // the empty block is missing
        std::string_view("\xf2\x48\xcd", 3),                 // the message is cut
        std::string_view("\x00\x06\x00\xf9\xff\x48", 6),     // in a block without compression
        std::string_view("\x00\x00", 2),                     // more than an empty block has
        std::string_view("\xf3\x48\xcd\xc9\xc9\x07\x00\x07", 8), // behind a last block
        std::string_view("\xff\xff\xff\xff", 4),
    };
    for (const std::string_view each : cases)
        for (const std::size_t in : {1u, 3u, 100u}) {
            CAPTURE(each);
            CAPTURE(in);
            const codecs both = agree();
            CHECK(decompress(*both.server, each, in, 7).state == progress::corrupt);
        }
    // A compressed message of which any one bit is wrong: another message, or none, but never something else.
    const codecs both = agree();
    const std::string sent = compress(*both.client, sample(300));
    int corrupt = 0;
    for (std::size_t bit = 0; bit < sent.size() * 8; ++bit) {
        std::string wrong = sent;
        wrong[bit / 8] = static_cast<char>(wrong[bit / 8] ^ 1 << bit % 8);
        const codecs fresh = agree();
        const outcome got = decompress(*fresh.server, wrong, 13, 100, 100'000);
        CHECK((got.state == progress::corrupt || got.state == progress::complete));
        corrupt += got.state == progress::corrupt;
    }
    CHECK(corrupt > static_cast<int>(sent.size()));
}

TEST_CASE("the states of a thread: a few are kept, and all go with the last who has a use for them") {
    std::vector<codecs> many;
    for (int i = 0; i < 10; ++i) {
        many.push_back(agree());
        compress_piece(*many.back().client, sample(1000), false); // each holds a state now
        decompress(*many.back().server, "\xf2\x48"s);
    }
    while (!many.empty()) many.pop_back(); // under the sanitizers nothing is left behind
    compression_options other;
    for (int bits = 9; bits <= 15; ++bits) { // other settings push out those that were not wanted for longest
        other.window_bits = bits;
        const codecs both = agree(other);
        const std::string text = sample(1000);
        CHECK(decompress(*both.server, compress(*both.client, text)).text == text);
    }
}

TEST_CASE("the states of a thread: a codec that is destroyed on another one leaves them to it") {
    const std::string text = sample(1000);
    {
        codecs moved = agree();
        CHECK(compress(*moved.client, text).size() < text.size());
        std::thread([gone = std::move(moved)] {}).join();
    }
    const codecs both = agree(); // under the sanitizers nothing that is gone is used
    CHECK(decompress(*both.server, compress(*both.client, text)).text == text);
}

TEST_CASE("the end of a message and of the room for it coincide") {
    std::uint32_t state = 1; // texts of few letters: the last of them and the end of the block share a byte
    for (std::size_t size = 20; size < 400; ++size) {
        std::string text;
        while (text.size() < size) {
            state = state * 1664525u + 1013904223u;
            text += "ab"[state >> 31];
        }
        codecs both = agree();
        const std::string sent = compress_piece(*both.client, text, true);
        for (const std::size_t room : {std::size_t{1}, std::size_t{2}, std::size_t{7}, size - 1, size}) {
            const outcome got = decompress(*both.server, sent, 1u << 30, room);
            CHECK(got.state == progress::complete);
            CHECK(got.text == text);
        }
    }
}

TEST_CASE("a message of a whole block and nothing behind it, with output still to come when its bytes are used up") {
    const std::string sent = "\xCA\xC1\x07\x00"s;
    codecs all = agree();
    const outcome at_once = decompress(*all.server, sent);
    CHECK(at_once.state == progress::complete);
    CHECK(at_once.text.size() == 29);
    for (std::size_t room = 1; room < 40; ++room) {
        codecs both = agree();
        const outcome got = decompress(*both.server, sent, 1u << 30, room);
        CHECK(got.state == progress::complete);
        CHECK(got.text == at_once.text);
    }
}

TEST_CASE("a message for a reader: bounded, and text is checked as it comes") {
    const auto feed = [](ws::message_codec& to, opcode type, std::string_view piece, bool first, bool last) {
        static std::string kept;
        kept = piece;
        to.feed({.what = ws::event::kind::data, .type = type, .first = first, .last = last, .reserved_bits = 4,
                 .payload = {reinterpret_cast<std::byte*>(kept.data()), kept.size()}});
    };
    block_pool pool;
    buffer out(pool);
    const codecs both = agree();
    ws::message_codec& server = *both.server;
    CHECK_FALSE(server.pending());
    feed(server, opcode::binary, compress_piece(*both.client, std::string(10'000, 'x'), true), true, true);
    CHECK(server.pending());
    CHECK(server.untouched());
    CHECK(server.type() == opcode::binary);
    CHECK_FALSE(server.decompress(out, 100).last);
    server.handed_out();
    CHECK_FALSE(server.untouched());
    CHECK(out.size() == 100);
    CHECK(server.pending());
    CHECK_FALSE(server.decompress(out, 100).last); // there is as much already
    CHECK(out.size() == 100);
    CHECK(server.decompress(out, 20'000).last);
    CHECK(out.size() == 10'000);
    CHECK_FALSE(server.pending());
    out.clear();

    feed(server, opcode::binary, "\xf2\x48\xcd\xc9\xc9\x07\x00"s, true, true);
    server.forget();
    CHECK_FALSE(server.pending());
    feed(server, opcode::text, "\xf2\x48"s, true, false); // nothing can be made of it yet
    CHECK(server.decompress(out, 100).failure == errc{});
    CHECK_FALSE(server.pending());
    const std::size_t early = out.size();
    CHECK(pool.lent() == (early ? 1 : 0));
    feed(server, opcode::text, "\xcd\xc9\xc9\x07\x00"s, false, true);
    CHECK(server.decompress(out, 100).last);
    CHECK(as_text(std::as_const(out).view()) == "Hello");
    out.clear();

    const std::string bad = compress_piece(*both.client, "gr\xc3\xbc\xc3", true);
    for (const opcode type : {opcode::binary, opcode::text}) {
        feed(server, type, bad, true, true);
        const auto got = server.decompress(out, 100);
        CHECK(got.last == (type == opcode::binary));
        CHECK(got.failure == (type == opcode::text ? errc::bad_utf8 : errc{}));
        CHECK_FALSE(server.pending());
        out.clear();
    }
    const codecs fresh = agree();
    feed(*fresh.server, opcode::text, "\x07"s, true, false);
    CHECK(fresh.server->decompress(out, 100).failure == errc::bad_compression);
    CHECK_FALSE(fresh.server->pending());
}

TEST_CASE("without takeover a connection holds nothing between messages, with it what the options say") {
    const auto cost = [](const compression_options& how) {
        constexpr std::size_t count = 50;
        const std::string text = sample(1000);
        std::vector<codecs> many;
        std::size_t before = 0;
        for (std::size_t i = 0; i <= count; ++i) {
            many.push_back(agree(how));
            CHECK(decompress(*many.back().server, compress(*many.back().client, text)).text == text);
            CHECK(decompress(*many.back().client, compress(*many.back().server, text)).text == text);
            if (i == 0) before = mallinfo2().uordblks;
        }
        return (mallinfo2().uordblks - before) / count / 2;
    };
    CHECK(cost({}) < 1000); // under the sanitizers, which have a memory of their own, nothing is seen
    CHECK(cost(with_takeover) < 250'000);
    CHECK(cost({.memory_level = 4, .window_bits = 10, .peer_window_bits = 10, .context_takeover = true,
                .peer_context_takeover = true}) < 40'000);
}

TEST_CASE("options") {
    constexpr compression_choice plain = permessage_deflate;
    static_assert(plain.method() == &ws::deflate_messages && plain.options().level == compression_options{}.level);
    constexpr compression_choice own = permessage_deflate({.threshold_bytes = 0, .level = 9});
    static_assert(own.method() == &ws::deflate_messages && own.options().level == 9 && own.options().threshold_bytes == 0);
    static_assert(compression_choice().method() == nullptr);
    static_assert(!std::is_convertible_v<compression_options, compression_choice>); // it would compress nothing
    compression_options later; // not known to the compiler only
    later.level = static_cast<int>(1 + std::string(4, 'x').size());
    CHECK(permessage_deflate(later).options().level == 5);
    CHECK(compression_choice(permessage_deflate).method() == &ws::deflate_messages);
    http::fields none;
    CHECK_FALSE(ws::deflate_messages.accept(none, plain.options()));
    auto nothing = ws::deflate_messages.confirm(none, plain.options());
    REQUIRE(nothing);
    CHECK_FALSE(*nothing);
}
