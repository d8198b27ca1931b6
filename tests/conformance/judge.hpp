// Plays one case against one connection, without any I/O: what to send, what has come, what to make of it.
//
//     judge it(a_case, side::server, {.host = "localhost:9001"});
//     for (;;) {
//         while (it.has_output()) write(it.take_output());
//         if (it.over()) break;
//         if (it.wants_end()) end_our_side();
//         ... it.received(bytes), it.ended(), it.broken(), or it.waited() when its patience is over
//     }
//     it.result();
//
// Whoever drives it owns the connection and the time. `waited` is called when nothing has come for as long as `patience()`
// says: some steps wait for what must come, others see to it that nothing does.
#pragma once

#include "case.hpp"
#include "deflate.hpp"

#include <deque>

namespace conformance {

enum class verdict : unsigned char { passed, allowed, failed };

struct outcome {
    verdict how = verdict::passed;
    std::string expected; // empty when it passed
    std::string got;
};

struct surroundings {
    std::string host = "localhost";
    std::string target = "/";
    std::uint64_t seed = 1; // of keys and masks
};

class judge {
public:
    enum class waiting : unsigned char { for_something, for_nothing };

    judge(const test_case& of, side role, const surroundings& around);

    // What is to be sent next, in a write of its own.
    std::string take_output();
    bool has_output() const { return !x_output.empty(); }
    bool wants_end() const { return x_stopped; } // behind the output
    bool over() const { return x_stage == stage::over; }
    waiting patience() const;

    void received(std::string_view bytes);
    void ended();  // the other side has ended its direction, or all of it
    void broken(); // the connection was reset
    void waited();

    // Whether the case itself was reached, not only a request that ends before it: a client that connects for another
    // purpose, say.
    bool begun() const { return x_stage != stage::handshake; }

    outcome result() const;

private:
    enum class stage : unsigned char { handshake, steps, closing, over };
    struct item { // what has come
        enum class kind : unsigned char { message, pong, close, end, reset } what;
        frame is = {};
        unsigned code = 0;
    };
    using kind = step::kind;

    bool we_are_client() const { return x_role == side::server; }
    void proceed();
    bool take_step();
    bool take_expected(step& now);
    bool take_end(const step& now);
    bool take_before(const item& got);
    bool is_refused();
    void close_seen(unsigned code);
    void finish() { x_stage = stage::over; }

    void read_head();
    void read_request(std::string_view head);
    void read_response(std::string_view head);
    bool agree(const std::string& offered, const std::string& answered);
    const head& opening() const;
    void read_frames();
    void take_frame(received_frame got);
    void add_message(frame whole);

    void append(frame what);
    void conclude(verdict how, std::string expected, std::string got);
    void differs(std::string expected, std::string got) { // from what the case asks for, in an orderly way
        conclude(x_case.is_should ? verdict::allowed : verdict::failed, std::move(expected), std::move(got));
    }
    void fail(std::string expected, std::string got) { conclude(verdict::failed, std::move(expected), std::move(got)); }
    void note(std::string expected, std::string got); // allowed, and on it goes
    std::string filled(std::string text) const;
    mask_key next_key();
    std::uint64_t random();

    const test_case& x_case;
    side x_role;
    surroundings x_around;
    std::uint64_t x_random;
    std::vector<step> x_steps;
    std::size_t x_at = 0;
    stage x_stage = stage::handshake;
    std::deque<std::string> x_output;
    bool x_new_piece = true;
    bool x_stopped = false;
    std::string x_key;    // of the handshake
    std::string x_head;   // what has come of theirs
    std::optional<deflate_parameters> x_offer; // theirs
    std::optional<deflate_codec> x_codec; // when compression was agreed upon
    std::string x_compressed;             // what is being sent in fragments
    frame_reader x_reader;
    std::string x_held;
    std::deque<item> x_seen;
    std::vector<frame> x_wanted; // by the step under way
    bool x_began_step = false;
    frame x_message;             // the fragmented one that is coming
    bool x_in_message = false;
    bool x_is_compressed = false;
    bool x_close_sent = false;
    bool x_sent_behind_close = false; // who does that has no claim to a clean end
    bool x_close_came = false;
    bool x_end_came = false;
    std::vector<mask_key> x_keys;
    outcome x_outcome;
};

std::string describe(const frame& what);

} // namespace conformance
