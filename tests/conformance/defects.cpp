// The suite against its own reference, which must pass every case, and against that with one defect after the other,
// which must do so in all but the cases that are about it.
#include "reference.hpp"
#include "systems.hpp"

#include <cstdio>
#include <deque>

namespace conformance {

namespace {

// Names of cases with '*' for anything. One with a '!' before it takes names out of those before it.
using names = std::vector<std::string_view>;

struct broken {
    defect what;
    const char* name;
    names failed;
    names allowed = {};
    bool as_server = true;
    bool as_client = true;
};

bool matches(std::string_view name, std::string_view pattern) {
    const std::size_t star = pattern.find('*');
    if (star == pattern.npos) return name == pattern;
    if (!name.starts_with(pattern.substr(0, star))) return false;
    name.remove_prefix(star);
    pattern.remove_prefix(star + 1);
    for (std::size_t at = 0; at <= name.size(); ++at)
        if (matches(name.substr(at), pattern)) return true;
    return false;
}

bool holds(const names& all, std::string_view name) {
    bool found = false;
    for (const std::string_view each : all)
        if (each.starts_with('!') ? matches(name, each.substr(1)) : matches(name, each)) found = !each.starts_with('!');
    return found;
}

// Where the peer is to fail the connection.
const names violations = {"framing/long-form/*",
                          "framing/63-bit/*",
                          "control/long/*",
                          "control/fragmented/*",
                          "reserved/*",
                          "fragments/order/*",
                          "utf8/wrong/*",
                          "utf8/split/wrong-*",
                          "utf8/split/truncated-*",
                          "utf8/split/not-over-messages",
                          "utf8/split/surrogates",
                          "utf8/split/second-message",
                          "utf8/fast/*",
                          "!utf8/fast/not-too-fast",
                          "masking/wrong/*",
                          "close/bad-code/*",
                          "close/one-*",
                          "close/reason/not-utf8-*",
                          "close/crossing/*",
                          "limits/over/*",
                          "compression/wrong/*",
                          "compression/answer/none-and-compressed-all-the-same",
                          "response/together/bad-frame"};
// UTF-8 that is right.
const names right_text = {"utf8/split/at-*", "utf8/split/ping-at-*", "utf8/split/each-byte", "utf8/fast/not-too-fast"};
// Close codes that are only reserved.
const names reserved_codes = {"close/bad-code/1004", "close/bad-code/1016", "close/bad-code/1100",
                              "close/bad-code/2000", "close/bad-code/2999", "close/bad-code/5000",
                              "close/bad-code/9999", "close/bad-code/65535"};
// Where nothing happens but a refusal.
const names no_handshake = {"!request/*", "request/right/*", "!response/wrong/*", "!compression/answer/*",
                            "compression/answer/none*"};
// Where a ping is to be answered.
const names pings = {"control/ping/*",
                     "control/pong/then-ping",
                     "framing/bytewise",
                     "fragments/*ping*",
                     "utf8/split/ping-at-*",
                     "reserved/opcode-11/after-a-pong",
                     "masking/key/*",
                     "!masking/key/another-*",
                     "masking/keys-differ/*",
                     "close/stream/end-at-once",
                     "close/behind/ping-that-was-answered",
                     "response/together/ping",
                     "response/together/fragments-and-ping",
                     "compression/fragments/ping*"};
const names pings_before_the_end = {"reserved/bits-111/behind-a-ping",
                                    "fragments/order/behind-a-ping",
                                    "utf8/split/wrong-behind-a-ping",
                                    "fragments/order/continuation-behind-ping",
                                    "close/behind/ping",
                                    "close/behind/several"};
// Where compressed data refers back further than 256 bytes, and where to earlier messages.
const names repetitive = {"compression/text/1000",    "compression/text/65535",
                          "compression/text/65536",   "compression/text/200000",
                          "compression/conversation", "compression/fragments/2",
                          "compression/fragments/3",  "compression/fragments/7",
                          "compression/fragments/50", "compression/fragments/pings-are-not-compressed",
                          "compression/parameters/*"};
const names repeated = {"compression/ten-alike", "compression/conversation", "compression/example/shared-window",
                        "compression/parameters/*"};

names operator+(names a, const names& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}
// All of `a` but what is in `b`.
names operator-(names a, const names& b) {
    static std::deque<std::string> kept;
    for (const std::string_view each : b)
        a.push_back(kept.emplace_back(each.starts_with('!') ? each.substr(1) : "!" + std::string(each)));
    return a;
}

const names only_recommended = reserved_codes + names{"compression/wrong/refers-back"};

const std::vector<broken>& all_broken() {
    static const std::vector<broken> all = {
        {defect::accepts_wrong_masking,
         "accepts frames that are masked wrongly",
         {"masking/wrong/*", "close/crossing/unmasked-and-close"}},
        {defect::sends_wrong_masking, "masks as a server, does not mask as a client",
         names{"*", "!close/stream/end-inside-a-close"} + no_handshake},
        {defect::masks_with_one_key, "masks with the same key each time", {"masking/keys-differ*"}, {}, false},
        {defect::accepts_reserved_bits,
         "accepts reserved bits",
         {"reserved/bits-*", "close/crossing/bad-frame-and-close", "response/together/bad-frame",
          "compression/wrong/bits-*", "!compression/wrong/bits-0*", "!compression/wrong/bits-110"},
         {"compression/wrong/bits-0*", "compression/wrong/bits-110", "compression/answer/none-and-*"}},
        {defect::echoes_reserved_bits,
         "sends reserved bits back",
         {"reserved/bits-*", "close/crossing/bad-frame-and-close", "response/together/bad-frame",
          "compression/wrong/bits-*", "!compression/wrong/bits-0*", "!compression/wrong/bits-110"},
         {"compression/wrong/bits-0*", "compression/wrong/bits-110", "compression/answer/none-and-*"}},
        {defect::accepts_reserved_opcodes,
         "accepts reserved opcodes",
         {"reserved/opcode-*", "close/crossing/bad-frame-and-ping"},
         {"close/crossing/two-failures"}},
        {defect::accepts_long_lengths,
         "accepts lengths not in their shortest form",
         {"framing/long-form/*", "control/long/ping-5-in-*"}},
        {defect::accepts_64_bit_lengths,
         "accepts lengths over 63 bits",
         {"framing/63-bit/*", "!framing/63-bit/all-ones"},
         {"framing/63-bit/all-ones"}},
        {defect::takes_65535_for_more,
         "sends 65535 bytes in the 64-bit form",
         {"framing/*/65535", "framing/together/each-length"}},
        {defect::drops_second_message,
         "drops the second message of a piece",
         {"framing/together/*", "fragments/two-messages", "fragments/then-whole", "control/ping/between-messages",
          "masking/size/*", "masking/key/*", "!masking/key/another-*", "masking/keys-differ/*",
          "response/together/three-messages", "reserved/bits-001/behind-a-message",
          "fragments/order/continuation-behind-whole-together", "compression/not-compressed", "compression/by-turns",
          "compression/ten-alike", "compression/example/shared-window", "close/behind/several"}},
        {defect::accepts_fragmented_control,
         "accepts fragments of control frames",
         {"control/fragmented/*", "!control/fragmented/pong-and-rest"}},
        {defect::accepts_long_control,
         "accepts control frames over 125 bytes",
         {"control/long/*", "!control/long/ping-5-*"}},
        {defect::answers_no_ping, "answers no ping", pings - pings_before_the_end, pings_before_the_end},
        {defect::answers_with_another_payload, "answers pings with another payload",
         pings + pings_before_the_end + names{"!control/ping/125"}},
        {defect::answers_pongs,
         "answers pongs",
         {"control/pong/no-answer", "control/pong/then-ping"},
         {"control/pong/*", "fragments/*pong*"}},
        {defect::answers_ping_behind_message,
         "answers pings only behind a message",
         {"control/ping/answered-inside-*"},
         {"fragments/order/behind-a-ping", "utf8/split/wrong-behind-a-ping"}},
        {defect::accepts_stray_continuations,
         "accepts continuations of nothing",
         {"fragments/order/continuation-*", "fragments/order/empty-continuation-first"}},
        {defect::accepts_message_in_message,
         "accepts a message inside a message",
         {"fragments/order/*", "!fragments/order/*continuation-*"}},
        {defect::ignores_empty_frames,
         "ignores data frames without payload",
         {"framing/text/0", "framing/binary/0", "framing/together/empty", "framing/one-after-another",
          "control/ping/answered-inside-a-binary", "fragments/empty-last", "fragments/all-empty*", "fragments/many/*",
          "!fragments/many/200-empty", "fragments/ping-between-empty", "utf8/split/each-byte",
          "compression/example/nothing-at-all", "compression/fragments/at-7", "compression/fragments/empty-ones"}},
        {defect::checks_no_utf8, "does not check that text is UTF-8",
         names{"utf8/wrong/*", "utf8/split/*", "utf8/fast/*", "close/crossing/bad-text-and-close",
               "compression/wrong/*utf8*", "compression/wrong/surrogate"} -
             right_text},
        {defect::checks_utf8_at_the_end,
         "checks UTF-8 at the end of a message only",
         {},
         {"utf8/fast/*", "!utf8/fast/not-too-fast"}},
        {defect::checks_utf8_by_frames,
         "checks each frame by itself for UTF-8",
         {"utf8/split/at-*", "utf8/split/ping-at-*", "!utf8/split/*at-2", "!utf8/split/*at-5", "!utf8/split/*at-9",
          "utf8/split/each-byte", "close/inside/cut-character"},
         {"utf8/split/wrong-behind-a-ping"}},
        {defect::accepts_overlong,
         "accepts overlong UTF-8",
         {"utf8/wrong/overlong/*", "!utf8/wrong/overlong/slash-5", "!utf8/wrong/overlong/slash-6",
          "utf8/wrong/never/c0", "utf8/wrong/never/c1", "utf8/fast/overlong", "utf8/fast/middle-fragment",
          "compression/wrong/not-utf8-in-fragments"}},
        {defect::accepts_surrogates,
         "accepts surrogates in UTF-8",
         {"utf8/wrong/surrogate/*", "utf8/split/surrogates", "utf8/fast/surrogate", "utf8/fast/continuation-held",
          "compression/wrong/surrogate"}},
        {defect::accepts_beyond_unicode,
         "accepts UTF-8 beyond U+10FFFF",
         {"utf8/wrong/beyond/*", "utf8/wrong/never/f5", "utf8/wrong/never/f7", "utf8/fast/beyond", "utf8/fast/never",
          "utf8/fast/over-fragments"}},
        {defect::closes_with_1000,
         "answers every close with 1000",
         {},
         {"close/code/*", "!close/code/1000", "close/empty", "close/reason/sentence", "close/behind/several",
          "close/behind/ping-that-was-answered", "close/inside/binary", "response/together/close"}},
        {defect::answers_no_close,
         "answers no close",
         names{"*"} + no_handshake - violations - names{"close/stream/end-*"},
         {"close/stream/end-behind-close"}},
        {defect::accepts_bad_close_codes, "accepts close codes that may not be sent",
         names{"close/bad-code/*"} - reserved_codes, reserved_codes},
        {defect::accepts_one_byte_close, "accepts a close frame of one byte", {"close/one-*"}},
        {defect::checks_no_reason, "does not check that a reason is UTF-8", {"close/reason/not-utf8-*"}},
        {defect::fails_with_1000, "closes with 1000 where something was wrong", violations - only_recommended,
         only_recommended},
        {defect::fails_without_close_frame, "ends the stream where something was wrong", {}, violations},
        {defect::sends_behind_close, "sends behind its close frame",
         names{"*", "!close/stream/end-*", "close/stream/end-behind-close"} + no_handshake},
        {defect::reads_behind_close,
         "answers what comes behind a close frame",
         {"close/then/*", "!close/then/half-a-frame", "close/inside/message-and-rest"}},
        {defect::keeps_stream_open, "does not end the stream", names{"*"} + no_handshake},
        {defect::ends_stream_first, "as a client, ends the stream first", {}, {"close/stream/client-waits*"}, false},
        {defect::has_no_limit, "has no limit for messages", {"limits/over/*"}},
        {defect::takes_any_version,
         "takes any Sec-WebSocket-Version",
         {"request/version/*", "!request/version/8"},
         {"request/version/8"},
         true,
         false},
        {defect::answers_426_without_version,
         "does not say which version it speaks",
         {"request/version/*", "!request/version/none", "!request/version/empty", "!request/version/no-number",
          "!request/version/13-and-8", "!request/version/twice", "!request/version/426-is-for-it"},
         {},
         true,
         false},
        {defect::sends_wrong_accept,
         "computes Sec-WebSocket-Accept wrongly",
         {"*", "!request/*", "request/right/*"},
         {},
         true,
         false},
        {defect::takes_any_key, "takes any Sec-WebSocket-Key", {"request/wrong/*key*"}, {}, true, false},
        {defect::takes_any_method, "takes any method", {"request/wrong/method-*"}, {}, true, false},
        {defect::takes_http_1_0, "takes HTTP/1.0", {"request/wrong/http-1.0"}, {}, true, false},
        {defect::invents_subprotocol,
         "chooses a subprotocol that was not offered",
         {"*", "!request/*", "request/right/*"},
         {},
         true,
         false},
        {defect::invents_extension,
         "chooses an extension that was not offered",
         {"*", "!request/*", "request/right/*"},
         {},
         true,
         false},
        {defect::takes_any_status, "takes any status for 101", {"response/wrong/*-with-all-fields"}, {}, false},
        {defect::takes_any_accept, "does not check Sec-WebSocket-Accept", {"response/wrong/*accept*"}, {}, false},
        {defect::takes_any_extension,
         "takes an extension that it did not offer",
         {"response/wrong/*extension*", "compression/answer/*", "!compression/answer/none*"},
         {},
         false},
        {defect::takes_any_subprotocol,
         "takes a subprotocol that it did not offer",
         {"response/wrong/subprotocol-*"},
         {},
         false},
        {defect::loses_bytes_behind_head, "loses what comes with the response", {"response/together/*"}, {}, false},
        {defect::compresses_with_more_window,
         "compresses with more window than was agreed upon",
         {"compression/parameters/*server-bits-*", "compression/parameters/bits-*", "!*-15",
          "compression/parameters/value-in-quotes"},
         {},
         true,
         false},
        {defect::compresses_with_more_window,
         "compresses with more window than was agreed upon",
         {"compression/parameters/client-bits-*", "compression/parameters/bits-*", "!*-15"},
         {},
         false,
         true},
        {defect::inflates_with_less_window,
         "inflates with less window than was agreed upon",
         repetitive + names{"!compression/parameters/client-bits-8", "!compression/parameters/client-bits-9",
                            "!compression/parameters/bits-8", "!compression/parameters/bits-9"},
         {},
         true,
         false},
        {defect::inflates_with_less_window,
         "inflates with less window than was agreed upon",
         repetitive + names{"!compression/parameters/server-bits-8", "!compression/parameters/server-bits-9",
                            "!compression/parameters/bits-8", "!compression/parameters/bits-9"},
         {},
         false,
         true},
        {defect::keeps_context,
         "compresses with a context where it agreed to none",
         {"compression/parameters/server-no-context", "compression/parameters/no-context"},
         {},
         true,
         false},
        {defect::keeps_context,
         "compresses with a context where it agreed to none",
         {"compression/parameters/client-no-context", "compression/parameters/no-context"},
         {},
         false,
         true},
        {defect::forgets_context,
         "forgets the context that the other side refers to",
         repeated + names{"!compression/parameters/client-no-context", "!compression/parameters/no-context"},
         {},
         true,
         false},
        {defect::forgets_context,
         "forgets the context that the other side refers to",
         repeated + names{"!compression/parameters/server-no-context", "!compression/parameters/no-context"},
         {},
         false,
         true},
        {defect::sends_bits_of_compression_on_pongs,
         "sets the bit of compression on pongs",
         {"compression/fragments/ping*"}},
        {defect::accepts_bits_on_continuations,
         "accepts the bit of compression on continuations",
         {"compression/wrong/bits-on-continuation*"}},
        {defect::accepts_bad_compressed_data,
         "takes bad compressed data for an empty message",
         {"compression/wrong/*", "!compression/wrong/bits-*", "!compression/wrong/*utf8*",
          "!compression/wrong/surrogate", "!compression/wrong/refers-back"},
         {"compression/wrong/refers-back"}},
        {defect::checks_no_inflated_text,
         "does not check inflated text for UTF-8",
         {"compression/wrong/*utf8*", "compression/wrong/surrogate"}},
        {defect::takes_compressed_for_plain,
         "takes compressed messages for plain ones",
         {"compression/*", "!compression/not-compressed", "!compression/example/nothing-at-all",
          "!compression/fragments/close-inside", "!compression/wrong/bits-*", "!compression/offer/declined/*",
          "!compression/answer/*"}},
        {defect::takes_any_parameters,
         "takes any parameters of compression",
         {"compression/offer/declined/*", "compression/answer/*", "!compression/answer/none*",
          "request/right/unknown-extension*", "response/wrong/*extension*"}},
        {defect::forgets_to_answer_no_context,
         "does not answer server_no_context_takeover",
         {"compression/parameters/server-no-context", "compression/parameters/no-context",
          "compression/offer/without-blanks"},
         {},
         true,
         false},
    };
    return all;
}

outcome play(const test_case& of, side role, defect what, const cutting& how, const plan& all) {
    judge judging(of, role, {.seed = how.seed + 1});
    reference_peer peer(role, what, all.message_limit, all.deflate);
    bool told = false;
    for (;;) {
        bool moved = false;
        const auto listen = [&] {
            const std::string said = peer.take_output();
            if (!said.empty()) judging.received(said);
            moved |= !said.empty();
            if (peer.ended() && !told) judging.ended();
            moved |= peer.ended() && !told;
            told |= peer.ended();
        };
        while (judging.has_output()) {
            const std::string piece = judging.take_output();
            cutter cuts(how, piece.size());
            for (std::size_t at = 0, size; at < piece.size(); at += size) {
                size = cuts.next(piece.size() - at);
                peer.receive(std::string_view(piece).substr(at, size));
                listen();
            }
            moved = true;
        }
        listen();
        if (judging.over()) return judging.result();
        if (judging.wants_end() && !judging.has_output()) peer.peer_ended();
        listen();
        if (judging.over()) return judging.result();
        if (!moved && !judging.has_output()) judging.waited();
    }
}

const char* verdict_word(verdict how) {
    return how == verdict::passed ? "passed" : how == verdict::allowed ? "allowed" : "failed";
}

} // namespace

bool try_reference(const plan& what, report& into) {
    for (const side role : {side::server, side::client})
        for (const cutting& how : what.cuttings)
            for (const test_case& each : what.cases) {
                if (!each.is_for(role) || (how.seed + how.step && !each.may_be_cut())) continue;
                const cutting own = each.step_bytes ? cutting{each.step_bytes} : how;
                into.add(each, role, own.name(), play(each, role, defect::none, own, what));
            }
    return into.count(verdict::passed) == static_cast<int>(into.lines().size());
}

bool try_defects(const plan& what, bool verbose) {
    std::vector<defect> wrong, right;
    for (const broken& each : all_broken()) {
        int failed = 0, allowed = 0, surprises = 0;
        for (const side role : {side::server, side::client}) {
            if (role == side::server ? !each.as_server : !each.as_client) continue;
            for (const test_case& of : what.cases) {
                if (!of.is_for(role) || of.is_table) continue;
                // These take long and say nothing about anything else.
                if (of.name.starts_with("compression/parameters/") && each.what < defect::compresses_with_more_window)
                    continue;
                const outcome got = play(of, role, each.what, {.step = of.step_bytes}, what);
                const verdict expected = holds(each.failed, of.name)    ? verdict::failed
                                         : holds(each.allowed, of.name) ? verdict::allowed
                                                                        : verdict::passed;
                failed += got.how == verdict::failed;
                allowed += got.how == verdict::allowed;
                if (got.how == expected) continue;
                if (++surprises > 150) continue;
                std::printf("  as %s: %s is to be %s, and was %s\n", role == side::server ? "server" : "client",
                            of.name.c_str(), verdict_word(expected), verdict_word(got.how));
                if (verbose) std::printf("    expected %s; got %s\n", got.expected.c_str(), got.got.c_str());
            }
        }
        if (failed + allowed == 0) ++surprises;
        std::printf("%-50s %4d failed, %4d allowed%s\n", each.name, failed, allowed,
                    surprises == 0 ? ", as they should" : ": NOT as they should");
        std::vector<defect>& all = surprises ? wrong : right;
        if (all.empty() || all.back() != each.what) all.push_back(each.what); // some differ by role
    }
    std::printf("%zu defects found by exactly the cases that are about them, %zu not\n", right.size(), wrong.size());
    return wrong.empty();
}

} // namespace conformance
