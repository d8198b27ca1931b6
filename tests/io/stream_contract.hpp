// What every stream owes its user, for test cases over fixtures of each kind of streams.
#pragma once

#include "../support/stream_fixtures.hpp"

namespace tests::stream_contract {

using namespace weir;
using io::status;

// Reads exactly `count` bytes, or what comes before the end or a failure.
inline std::string read_all(stream_fixture& in, io::stream& from, std::size_t count, status* last = nullptr) {
    std::string text;
    status outcome = status::blocked;
    in.until([&] {
        do
            text += read_some(from, &outcome);
        while (outcome == status::ready && text.size() < count);
        return text.size() >= count || outcome == status::end || outcome == status::failed;
    });
    if (last) *last = outcome;
    return text;
}

// Writes all of it, in as many turns as it takes.
inline bool write_all(stream_fixture& in, io::stream& to, std::string_view text) {
    return in.until([&] {
        text.remove_prefix(write_some(to, text));
        return text.empty() || to.failure();
    }) && !to.failure();
}

inline status state_of(io::stream& which) {
    status outcome;
    read_some(which, &outcome);
    return outcome;
}

inline std::string pattern(std::size_t count) {
    std::string text(count, '\0');
    std::uint32_t state = 1;
    for (char& each : text) each = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
    return text;
}

// Destroys another stream when it is told.
struct destroyer : told {
    void on_readable() noexcept override {
        ++readable;
        if (victim) victim->reset();
    }
    owned<io::stream>* victim = nullptr;
};

// Blocked, then told, then bytes.
template <class Fixture>
void blocked_then_told() {
    Fixture in;
    told of_a;
    auto [a, b] = in.pair();
    a->observe(&of_a);
    CHECK(a->connected() == status::ready);
    CHECK(!a->failure());
    in.settle();
    for (int round = 1; round <= 3; ++round) {
        of_a = told();
        CHECK(state_of(*a) == status::blocked);
        CHECK(state_of(*a) == status::blocked);
        in.settle();
        CHECK(of_a.readable == 0);
        CHECK(write_some(*b, "x") == 1);
        CHECK(of_a.readable == 0); // never from within an operation
        CHECK(in.until([&] { return of_a.readable > 0; }));
        in.settle();
        CHECK(of_a.readable == 1);
        CHECK(read_some(*a) == "x");
    }
    a->observe(nullptr);
}

// Who is told that everything was lent need not ask again.
template <class Fixture>
void drained() {
    Fixture in;
    told of_a;
    auto [a, b] = in.pair();
    a->observe(&of_a);
    in.settle();
    for (int round = 1; round <= 3; ++round) {
        CHECK(write_some(*b, "x") == 1);
        CHECK(in.until([&] { return read_some(*a) == "x"; }));
        if (!a->drained()) CHECK(state_of(*a) == status::blocked);
        of_a = told();
        in.settle();
        CHECK(write_some(*b, "y") == 1);
        CHECK(in.until([&] { return of_a.readable > 0; }));
        CHECK(read_some(*a) == "y");
        if (!a->drained()) CHECK(state_of(*a) == status::blocked);
        of_a = told();
    }
    b.reset();
    CHECK(in.until([&] { return of_a.readable > 0; }));
    CHECK(state_of(*a) == status::end);
}

// Pieces come out in order, empty ones do no harm.
template <class Fixture>
void pieces() {
    Fixture in;
    auto [a, b] = in.pair();
    std::vector<bytes_view> pieces;
    const std::string letters = "abcdefghijklmnopqrstuvwxyz";
    for (int i = 0; i < 200; ++i) {
        pieces.push_back(as_bytes(letters).subspan(static_cast<std::size_t>(i % 26), 1));
        pieces.push_back({});
    }
    std::span<const bytes_view> left = pieces;
    CHECK(in.until([&] {
        std::size_t taken = a->write(left);
        while (!left.empty() && (left.front().empty() || taken > 0)) {
            taken -= left.front().size();
            left = left.subspan(1);
        }
        return left.empty();
    }));
    const std::string text = read_all(in, *b, 200);
    REQUIRE(text.size() == 200);
    for (std::size_t i = 0; i < 200; ++i) CHECK(text[i] == letters[i % 26]);
}

// A writer is held back, and told when there is room.
template <class Fixture>
void held_back() {
    Fixture in;
    told of_a;
    auto [a, b] = in.pair();
    a->observe(&of_a);
    const std::string text = pattern(1 << 20);
    std::size_t written = 0, idle = 0;
    while (idle < 20 && written < 64 * text.size()) { // until nothing is taken any more
        const std::size_t taken = write_some(*a, std::string_view(text).substr(written % text.size()));
        written += taken;
        idle = taken ? 0 : idle + 1;
        in.loop().turn(std::chrono::milliseconds(1));
    }
    REQUIRE(written < 64 * text.size());
    CHECK(!a->failure());
    CHECK(write_some(*a, "x") == 0);
    CHECK(a->bytes_under_way() > 0);
    CHECK(b->bytes_under_way() == 0);
    in.settle();
    of_a = told();
    std::string got;
    CHECK(in.until([&] {
        for (std::string more; !(more = read_some(*b)).empty();) got += more;
        return got.size() >= written;
    }));
    CHECK(in.until([&] { return of_a.writable > 0; }));
    CHECK(got.size() == written);
    bool exact = true;
    for (std::size_t i = 0; i < got.size(); ++i) exact = exact && got[i] == text[i % text.size()];
    CHECK(exact);
    CHECK(in.until([&] { return a->bytes_under_way() == 0; }));
    CHECK(write_some(*a, "x") == 1);
    a->close();
    CHECK(a->bytes_under_way() <= 1 + in.overhead());
    a->observe(nullptr);
}

// Megabytes both ways at once, exactly.
template <class Fixture>
void megabytes() {
    Fixture in;
    auto [a, b] = in.pair();
    const std::size_t size = std::is_same_v<Fixture, fragmented_memory_fixture> ? 50'000 : 3'000'000;
    const std::string text = pattern(size);
    std::size_t sent_a = 0, sent_b = 0;
    std::string got_a, got_b;
    for (int turns = 0; turns < 100'000 && (got_a.size() < size || got_b.size() < size); ++turns) {
        sent_a += write_some(*a, std::string_view(text).substr(sent_a));
        sent_b += write_some(*b, std::string_view(text).substr(sent_b));
        for (std::string more; !(more = read_some(*a)).empty();) got_a += more;
        for (std::string more; !(more = read_some(*b)).empty();) got_b += more;
        in.loop().turn(std::chrono::milliseconds(1));
    }
    CHECK(got_a == text);
    CHECK(got_b == text);
}

// What comes in the middle of something long goes to the caller's memory first, or all of it is lent, and nothing twice.
template <class Fixture>
void filled_first() {
    Fixture in;
    auto [a, b] = in.pair();
    std::vector<std::byte> memory(2 * io::lease::large_bytes);
    const auto next = [&](std::size_t room_bytes, status& outcome) {
        mutable_bytes room(memory.data(), room_bytes);
        io::lease behind;
        outcome = b->fill_first(room, behind);
        CHECK(room.data() == memory.data());
        if (!behind.bytes.empty() && !room.empty()) CHECK(room.size() == room_bytes); // no gap
        CHECK((outcome == status::ready) == (room.size() + behind.bytes.size() > 0));
        std::string text(as_text(room));
        text += as_text(behind.bytes);
        b->release(std::move(behind));
        return text;
    };
    status outcome;
    CHECK(next(10, outcome).empty());
    CHECK(outcome == status::blocked);
    std::string got;
    const auto passes = [&](const std::string& text, std::size_t room_bytes, auto next_room) {
        std::string_view unsent = text;
        for (got.clear(); got.size() < text.size(); room_bytes = next_room(room_bytes)) {
            std::string more;
            REQUIRE(in.until([&] {
                unsent.remove_prefix(write_some(*a, unsent));
                return !(more = next(room_bytes, outcome)).empty();
            }));
            got += more;
        }
        CHECK(got == text);
        CHECK(next(room_bytes, outcome).empty());
        CHECK(outcome == status::blocked);
    };
    passes(pattern(5000), 1, [](std::size_t last) { return last * 7 % 1001; });
    passes(pattern(3'000'000), io::lease::large_bytes, [](std::size_t last) { return last ^ 1; }); // rooms that may be filled alone
    REQUIRE(write_all(in, *a, "the end"));
    a->shutdown_write();
    got.clear();
    CHECK(in.until([&] {
        do
            got += next(got.empty() ? 3 : memory.size(), outcome);
        while (outcome == status::ready);
        return outcome == status::end;
    }));
    CHECK(got == "the end");
    b->reset();
    CHECK(next(10, outcome).empty());
    CHECK(outcome == status::failed);
}

// The end comes after the bytes, and the other direction stays open.
template <class Fixture>
void ends() {
    Fixture in;
    told of_b;
    auto [a, b] = in.pair();
    b->observe(&of_b);
    CHECK(state_of(*b) == status::blocked);
    CHECK(write_all(in, *a, "last words"));
    a->shutdown_write();
    a->shutdown_write();
    CHECK(in.until([&] { return of_b.readable > 0; }));
    status last;
    CHECK(read_all(in, *b, 1000, &last) == "last words");
    CHECK(last == status::end);
    CHECK(state_of(*b) == status::end); // and stays
    CHECK(!b->failure());
    CHECK(write_all(in, *b, "still here"));
    CHECK(read_all(in, *a, 10) == "still here");
    CHECK(write_some(*a, "no more") == 0);
    CHECK(a->failure() == std::errc::broken_pipe);
    b->observe(nullptr);
}

// Destroyed, it ends after its bytes.
template <class Fixture>
void destroyed() {
    Fixture in;
    auto [a, b] = in.pair();
    CHECK(write_all(in, *a, "farewell"));
    SUBCASE("destroyed") { a.reset(); }
    SUBCASE("closed") {
        a->close();
        CHECK(state_of(*a) == status::failed);
        CHECK(write_some(*a, "x") == 0);
        CHECK(a->failure() == condition::disconnected);
    }
    status last;
    CHECK(read_all(in, *b, 1000, &last) == "farewell");
    CHECK(last == status::end);
    CHECK(in.until([&] { // writing to nobody fails, sooner or later
        write_some(*b, "anybody?");
        return static_cast<bool>(b->failure());
    }));
    CHECK(b->failure() == condition::disconnected);
}

// A reset breaks both ends.
template <class Fixture>
void reset() {
    Fixture in;
    told of_b;
    auto [a, b] = in.pair();
    b->observe(&of_b);
    CHECK(state_of(*b) == status::blocked);
    a->reset();
    a->reset();
    CHECK(a->connected() == status::failed);
    CHECK(state_of(*a) == status::failed);
    CHECK(write_some(*a, "x") == 0);
    a->shutdown_write();
    CHECK(in.until([&] { return of_b.readable > 0; }));
    if (in.resets()) {
        CHECK(state_of(*b) == status::failed);
        CHECK(b->failure() == std::errc::connection_reset);
    } else {
        CHECK(state_of(*b) == status::end);
    }
    b->observe(nullptr);
}

// A reader that is not reading is told of a broken connection.
template <class Fixture>
void told_unasked() {
    Fixture in;
    told of_b;
    auto [a, b] = in.pair();
    CHECK(write_all(in, *a, "unread"));
    in.settle();
    b->observe(&of_b);
    a->reset();
    CHECK(in.until([&] { return of_b.readable > 0; }));
    b->observe(nullptr);
}

// A lease may be kept, changed, and outlive a reset.
template <class Fixture>
void kept_lease() {
    Fixture in;
    auto [a, b] = in.pair();
    CHECK(write_all(in, *a, "first"));
    io::lease first;
    CHECK(in.until([&] { return b->fill(first) == status::ready; }));
    const std::string had(as_text(first.bytes));
    CHECK(had == std::string("first").substr(0, had.size()));
    for (std::byte& each : first.bytes) each = std::byte{'y'};
    CHECK(write_all(in, *a, "second"));
    io::lease second;
    CHECK(in.until([&] { return b->fill(second) == status::ready; }));
    CHECK(as_text(first.bytes) == std::string(had.size(), 'y'));
    b->release(std::move(second));
    b->reset();
    b->release(std::move(first));
    b->release(io::lease());
    CHECK(first.backing.data == nullptr);
}

// Destroyed while another one's observer is told.
template <class Fixture>
void destroyed_meanwhile() {
    // Both are told in the same turn, whichever comes first destroys the other.
    Fixture in;
    destroyer of_a, of_b;
    auto [a, far_a] = in.pair();
    auto [b, far_b] = in.pair();
    a->observe(&of_a);
    b->observe(&of_b);
    of_a.victim = &b;
    of_b.victim = &a;
    CHECK(state_of(*a) == status::blocked);
    CHECK(state_of(*b) == status::blocked);
    in.settle();
    CHECK(write_some(*far_a, "x") == 1);
    CHECK(write_some(*far_b, "x") == 1);
    CHECK(in.until([&] { return of_a.readable + of_b.readable > 0; }));
    in.settle();
    CHECK(of_a.readable + of_b.readable == 1);
    CHECK((a == nullptr) != (b == nullptr));
    if (a) a->observe(nullptr);
    if (b) b->observe(nullptr);
}

// No news of a dead stream reaches its successor.
template <class Fixture>
void successor() {
    // The successor has the same descriptor, and may have the same address.
    Fixture in;
    for (int round = 0; round < 50; ++round) {
        auto [a, b] = in.pair();
        in.settle();
        CHECK(write_some(*b, "for the dead") > 0);
        in.loop().events().wait(std::chrono::milliseconds(0)); // found, not told
        a.reset();
        b.reset();
        auto [c, d] = in.pair();
        told of_c;
        c->observe(&of_c);
        while (in.loop().events().dispatch()) {}
        CHECK(state_of(*c) == status::blocked);
        in.settle();
        CHECK(of_c.readable == 0);
        CHECK(write_some(*d, "x") == 1);
        CHECK(in.until([&] { return of_c.readable == 1; }));
        c->observe(nullptr);
    }
}

} // namespace tests::stream_contract
