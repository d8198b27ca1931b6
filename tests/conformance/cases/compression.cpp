// Compression of messages (RFC 7692), for those systems under test that are said to have it.
//
// A case offers, or answers with, parameters; what is agreed upon is what both sides then have to keep to. The suite
// inflates with just the window and the context that were agreed upon, so that an answer that needs more is found.
#include "../case.hpp"

namespace conformance {

namespace {

const std::string deflate = "permessage-deflate";

// Text that compresses well and refers back as far as it can.
std::string prose(std::size_t count) {
    std::string out;
    for (std::size_t i = 0; out.size() < count; ++i) {
        out += "the weir keeps its flow even, ";
        out += std::to_string(i * 7919 % 1000);
    }
    out.resize(count);
    return out;
}

// Bytes that do not compress.
std::string noise(std::size_t count) {
    std::string out(count, '\0');
    std::uint32_t state = 1;
    for (char& each : out) each = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return out;
}

// Noise that comes again at this distance.
std::string echo_at(std::size_t distance, std::size_t count) {
    std::string out = noise(distance);
    while (out.size() < count) out += out.substr(out.size() - distance, distance);
    out.resize(count);
    return out;
}

// Messages that a wrong window or a context that was kept or lost would spoil.
std::vector<step> conversation() {
    std::vector<step> steps;
    const auto exchange = [&](const frame& message) {
        steps.push_back(send(message.deflated()));
        steps.push_back(expect(message));
    };
    exchange(text("Hello"));
    exchange(text("Hello"));
    exchange(text(prose(2000)));
    exchange(text(prose(2000)));
    exchange(binary(""));
    for (const std::size_t distance : {200, 300, 700, 1500, 3000, 6000, 12000, 20000})
        exchange(binary(echo_at(distance, distance + 500)));
    exchange(binary(noise(500)));
    exchange(text(prose(300)));
    return steps;
}

} // namespace

void add_compression(case_list& cases) {
    const auto offer = [](const std::string& parameters) {
        return request().plus("Sec-WebSocket-Extensions", parameters);
    };
    const auto answer = [](const std::string& parameters) {
        return response().plus("Sec-WebSocket-Extensions", parameters);
    };
    const auto both = [&](const std::string& name, const char* rfc, std::vector<step> steps) -> test_case& {
        test_case& made = cases.add("compression/" + name, rfc, std::move(steps)).with_deflate();
        return made.with_opening(offer(deflate)).with_other_opening(answer(deflate));
    };

    // --- messages ---

    both("hello", "RFC 7692 6, 7.2", {send(text("Hello").deflated()), expect(text("Hello"))});
    for (const std::size_t size : {0, 1, 2, 125, 126, 127, 1000, 65535, 65536, 200000}) {
        const std::string number = std::to_string(size);
        both("text/" + number, "RFC 7692 7.2", {send(text(prose(size)).deflated()), expect(text(prose(size)))});
        both("noise/" + number, "RFC 7692 7.2", {send(binary(noise(size)).deflated()), expect(binary(noise(size)))});
    }
    both("not-compressed", "RFC 7692 6",
         {send(text("Hello"), binary(noise(10))), expect(text("Hello"), binary(noise(10)))});
    both("by-turns", "RFC 7692 6",
         {send(text("one").deflated(), text("two"), text("three").deflated(), binary("four")),
          expect(text("one"), text("two"), text("three"), binary("four"))});
    both("ten-alike", "RFC 7692 7.2.3.2", [] {
        std::vector<frame> compressed(10, text(prose(200)).deflated()), plain(10, text(prose(200)));
        return std::vector<step>{send_all(compressed), expect_all(plain)};
    }());
    both("conversation", "RFC 7692 7.2", conversation());

    // The examples of 7.2.3, which are for any window and context.
    both("example/one-block", "RFC 7692 7.2.3.1",
         {send(text(hex("F2 48 CD C9 C9 07 00")).rsv(4)), expect(text("Hello"))});
    both("example/fragments", "RFC 7692 7.2.3.1",
         {send(text(hex("F2 48 CD")).fragment().rsv(4), last(hex("C9 C9 07 00"))), expect(text("Hello"))});
    both("example/shared-window", "RFC 7692 7.2.3.2",
         {send(text(hex("F2 48 CD C9 C9 07 00")).rsv(4), text(hex("F2 00 11 00 00")).rsv(4)),
          expect(text("Hello"), text("Hello"))});
    both("example/stored-block", "RFC 7692 7.2.3.3",
         {send(text(hex("00 05 00 FA FF 48 65 6C 6C 6F 00")).rsv(4)), expect(text("Hello"))});
    both("example/last-block", "RFC 7692 7.2.3.4",
         {send(text(hex("F3 48 CD C9 C9 07 00 00")).rsv(4)), expect(text("Hello"))});
    both("example/two-blocks", "RFC 7692 7.2.3.5",
         {send(text(hex("F2 48 05 00 00 00 FF FF CA C9 C9 07 00")).rsv(4)), expect(text("Hello"))});
    both("example/empty", "RFC 7692 7.2.3.6", {send(text(hex("00")).rsv(4)), expect(text(""))});
    both("example/nothing-at-all", "RFC 7692 7.2.2", {send(text("").rsv(4)), expect(text(""))}).should();

    // --- fragments ---

    for (const unsigned count : {2, 3, 7, 50})
        both("fragments/" + std::to_string(count), "RFC 7692 6.1",
             {send_all(text(prose(1000)).deflated_in(count)), expect(text(prose(1000)))});
    const std::string hello = hex("F2 48 CD C9 C9 07 00");
    for (std::size_t at = 0; at <= hello.size(); ++at)
        both("fragments/at-" + std::to_string(at), "RFC 7692 6.1",
             {send(text(hello.substr(0, at)).fragment().rsv(4), last(hello.substr(at))), expect(text("Hello"))});
    both("fragments/empty-ones", "RFC 7692 6.1",
         {send(text("").fragment().rsv(4), more(hello.substr(0, 3)), more(""), more(hello.substr(3)), last("")),
          expect(text("Hello"))});
    both("fragments/ping-between", "RFC 7692 6.1",
         {send(text(hello.substr(0, 3)).fragment().rsv(4), ping("p"), last(hello.substr(3))),
          expect(pong("p"), text("Hello"))});
    both("fragments/pings-are-not-compressed", "RFC 7692 6.1",
         {send(text(prose(500)).deflated(), ping(prose(100))), expect(text(prose(500)), pong(prose(100)))});
    both("fragments/close-inside", "RFC 7692 6.1, 5.5.1",
         {send(text(hello.substr(0, 3)).fragment().rsv(4), close(1000)), closes(1000)});
    both("fragments/character-cut", "RFC 7692 6.1, 8.1",
         {send_all(text(hex("F0 9F 98 80 C3 A9 F0 9F 98 80")).deflated_in(5)),
          expect(text(hex("F0 9F 98 80 C3 A9 F0 9F 98 80")))});

    // --- what must fail ---

    const step bad_data = fails(1007).or_also(1002);
    both("wrong/bits-on-continuation", "RFC 7692 6.1",
         {send(text(hello.substr(0, 3)).fragment().rsv(4), last(hello.substr(3)).rsv(4)), fails(1002)});
    both("wrong/bits-on-continuation-only", "RFC 7692 6.1",
         {send(text("Hel").fragment(), last("lo").rsv(4)), fails(1002)});
    both("wrong/bits-on-ping", "RFC 7692 6.1", {send(ping("p").rsv(4)), fails(1002)});
    both("wrong/bits-on-pong", "RFC 7692 6.1", {send(pong("p").rsv(4)), fails(1002)});
    both("wrong/bits-on-close", "RFC 7692 6.1", {send(close(1000).rsv(4)), fails(1002)});
    both("wrong/bits-010", "5.2", {send(text(hello).rsv(2)), fails(1002)});
    both("wrong/bits-001", "5.2", {send(text(hello).rsv(1)), fails(1002)});
    both("wrong/bits-110", "5.2", {send(text(hello).rsv(6)), fails(1002)});
    both("wrong/reserved-block", "RFC 7692 7.2.2, RFC 1951 3.2.3", {send(text(hex("07")).rsv(4)), bad_data});
    both("wrong/stored-lengths", "RFC 1951 3.2.4",
         {send(text(hex("00 05 00 00 00 48 65 6C 6C 6F 00")).rsv(4)), bad_data});
    both("wrong/distance", "RFC 7692 7.2.2, RFC 1951 3.2.5", {send(text(hex("F2 00 11 00 00")).rsv(4)), bad_data});
    both("wrong/plain-text", "RFC 7692 7.2.2", {send(text("Hello, this is not compressed").rsv(4)), bad_data});
    both("wrong/ones", "RFC 7692 7.2.2", {send(binary(std::string(20, '\xFF')).rsv(4)), bad_data});
    both("wrong/second-message", "RFC 7692 7.2.2",
         {send(text("Hello").deflated()), expect(text("Hello")), send(text(hex("07")).rsv(4)), bad_data});
    both("wrong/not-utf8", "8.1", {send(text(hex("48 FF 48")).deflated()), fails(1007)});
    both("wrong/utf8-truncated", "8.1", {send(text(hex("48 E2 82")).deflated()), fails(1007)});
    both("wrong/surrogate", "8.1", {send(text(hex("ED A0 80")).deflated()), fails(1007)});
    both("wrong/not-utf8-in-fragments", "8.1",
         {send_all(text(prose(100) + hex("C0 80") + prose(100)).deflated_in(4)), fails(1007)});
    both("binary-may-be-anything", "5.6", {send(binary(hex("48 FF 48")).deflated()), expect(binary(hex("48 FF 48")))});
    // Who was asked not to refer back may not: nothing is kept of the message before.
    cases
        .add("compression/wrong/refers-back", "RFC 7692 7.1.1",
             {send(text(hello).rsv(4)), expect(text("Hello")), send(text(hex("F2 00 11 00 00")).rsv(4)), bad_data})
        .with_deflate()
        .with_opening(offer(deflate + "; client_no_context_takeover"))
        .with_other_opening(answer(deflate + "; server_no_context_takeover"))
        .should();

    // --- each parameter, each value, each pair ---

    const auto talk = [&](const std::string& name, const std::string& parameters, bool is_table) {
        test_case& made = cases.add("compression/parameters/" + name, "RFC 7692 7.1", {}).with_deflate();
        made.large_steps = conversation;
        made.with_opening(offer(deflate + parameters)).with_other_opening(answer(deflate + parameters)).is_table =
            is_table;
    };
    talk("server-no-context", "; server_no_context_takeover", false);
    talk("client-no-context", "; client_no_context_takeover", false);
    talk("no-context", "; client_no_context_takeover; server_no_context_takeover", false);
    for (int bits = 8; bits <= 15; ++bits) {
        const std::string value = std::to_string(bits);
        talk("server-bits-" + value, "; server_max_window_bits=" + value, false);
        talk("client-bits-" + value, "; client_max_window_bits=" + value, false);
        talk("bits-" + value, "; server_max_window_bits=" + value + "; client_max_window_bits=" + value, false);
    }
    talk("value-in-quotes", "; server_max_window_bits=\"10\"", false);
    for (int server = 8; server <= 15; ++server)
        for (int client = 8; client <= 15; ++client)
            for (const int flags : {0, 3}) {
                const std::string bits = "; server_max_window_bits=" + std::to_string(server) +
                                         "; client_max_window_bits=" + std::to_string(client);
                const std::string name = "table/server-" + std::to_string(server) + "-client-" + std::to_string(client);
                talk(name + (flags & 1 ? "-server-no-context" : "") + (flags & 2 ? "-client-no-context" : ""),
                     (flags & 1 ? "; server_no_context_takeover" : "") +
                         std::string(flags & 2 ? "; client_no_context_takeover" : "") + bits,
                     true);
            }

    // --- negotiation, as a server ---

    const auto accepted = [&](const std::string& name, const char* rfc, const std::string& parameters) {
        cases.add("compression/offer/" + name, rfc, {send(text("Hello").deflated()), expect(text("Hello"))})
            .with_deflate()
            .with_opening(offer(parameters))
            .server_only();
    };
    accepted("client-bits-without-value", "RFC 7692 7.1.2.2", deflate + "; client_max_window_bits");
    accepted("as-browsers-do", "RFC 7692 7.1.2.2", deflate + "; client_max_window_bits");
    accepted("second-of-two", "RFC 7692 5", "x-nobody-knows, " + deflate);
    accepted("bad-one-first", "RFC 7692 5.1, 7.1", deflate + "; x=1, " + deflate);
    accepted("two-that-fit", "RFC 7692 5", deflate + "; server_max_window_bits=10, " + deflate);
    accepted("without-blanks", "9.1", deflate + ";client_max_window_bits;server_no_context_takeover");
    const auto declined_offer = [&](const std::string& name, const std::string& parameters) {
        cases
            .add("compression/offer/declined/" + name, "RFC 7692 7.1",
                 {declined(), send(text("Hello")), expect(text("Hello"))})
            .with_deflate()
            .with_opening(offer(deflate + parameters))
            .server_only();
    };
    declined_offer("unknown-parameter", "; x_nobody_knows");
    declined_offer("unknown-parameter-with-value", "; x_nobody_knows=1");
    declined_offer("server-no-context-with-value", "; server_no_context_takeover=1");
    declined_offer("client-no-context-with-value", "; client_no_context_takeover=true");
    declined_offer("server-no-context-twice", "; server_no_context_takeover; server_no_context_takeover");
    declined_offer("client-bits-twice", "; client_max_window_bits; client_max_window_bits=10");
    declined_offer("server-bits-twice", "; server_max_window_bits=10; server_max_window_bits=10");
    declined_offer("server-bits-without-value", "; server_max_window_bits");
    for (const char* bits : {"0", "7", "16", "08", "010", "-8", "1e1", "ten", "100"}) {
        declined_offer(std::string("server-bits-") + bits, std::string("; server_max_window_bits=") + bits);
        declined_offer(std::string("client-bits-") + bits, std::string("; client_max_window_bits=") + bits);
    }

    // --- negotiation, as a client ---

    const auto refused_answer = [&](const std::string& name, const char* rfc, const std::string& parameters) {
        cases.add("compression/answer/" + name, rfc, {refused(), send(text("Hello"))})
            .with_deflate()
            .with_other_opening(answer(parameters))
            .client_only();
    };
    refused_answer("unknown-parameter", "RFC 7692 7.1", deflate + "; x_nobody_knows");
    refused_answer("unknown-parameter-with-value", "RFC 7692 7.1", deflate + "; x_nobody_knows=1");
    refused_answer("server-no-context-with-value", "RFC 7692 7.1.1.1", deflate + "; server_no_context_takeover=1");
    refused_answer("client-no-context-with-value", "RFC 7692 7.1.1.2", deflate + "; client_no_context_takeover=1");
    refused_answer("server-no-context-twice", "RFC 7692 7.1",
                   deflate + "; server_no_context_takeover; server_no_context_takeover");
    refused_answer("server-bits-twice", "RFC 7692 7.1",
                   deflate + "; server_max_window_bits=10; server_max_window_bits=10");
    refused_answer("server-bits-without-value", "RFC 7692 7.1.2.1", deflate + "; server_max_window_bits");
    refused_answer("client-bits-without-value", "RFC 7692 7.1.2.2", deflate + "; client_max_window_bits");
    for (const char* bits : {"0", "7", "16", "08", "ten"}) {
        refused_answer(std::string("server-bits-") + bits, "RFC 7692 7.1.2.1",
                       deflate + "; server_max_window_bits=" + bits);
        refused_answer(std::string("client-bits-") + bits, "RFC 7692 7.1.2.2",
                       deflate + "; client_max_window_bits=" + bits);
    }
    refused_answer("twice", "RFC 7692 5", deflate + ", " + deflate);
    refused_answer("another-beside-it", "4.1", deflate + ", x-nobody-asked");
    cases.add("compression/answer/none", "RFC 7692 5", {declined(), send(text("Hello")), expect(text("Hello"))})
        .with_deflate()
        .client_only();
    cases
        .add("compression/answer/none-and-compressed-all-the-same", "5.2",
             {declined(), send(text(hello).rsv(4)), fails(1002)})
        .with_deflate()
        .client_only();
}

} // namespace conformance
