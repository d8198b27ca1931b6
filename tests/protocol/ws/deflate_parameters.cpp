// RFC 7692, section 7.1: negotiating the parameters of permessage-deflate, on both sides.
#include <weir/protocol/ws/deflate_parameters.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <vector>

using namespace weir;

namespace {

http::fields fields_of(std::vector<std::string_view> lines) {
    http::fields all;
    for (const std::string_view each : lines) REQUIRE(all.add("Sec-WebSocket-Extensions", each));
    return all;
}

// What a server answers, without the name at its beginning; "-" for nothing.
std::string answer(std::vector<std::string_view> offered, const compression_options& how) {
    const auto made = ws::accept_deflate(fields_of(std::move(offered)), how);
    return made ? ws::to_text(*made, false).substr(ws::deflate_parameters::name.size()) : "-";
}

const compression_options generous{.context_takeover = true, .peer_context_takeover = true};

} // namespace

TEST_CASE("parameters as text, both ways") {
    struct {
        std::string_view text;
        bool in_offer;
        ws::deflate_parameters value;
    } const cases[] = {
        {"permessage-deflate", true, {}},
        {"permessage-deflate", false, {}},
        {"permessage-deflate; server_no_context_takeover", true, {.server_no_context_takeover = true}},
        {"permessage-deflate; client_no_context_takeover", false, {.client_no_context_takeover = true}},
        {"permessage-deflate; server_max_window_bits=8", true, {.server_max_window_bits = 8}},
        {"permessage-deflate; server_max_window_bits=15", true, {.server_max_window_bits = 15}},
        {"permessage-deflate; client_max_window_bits", true, {.client_max_window_bits = 15}},
        {"permessage-deflate; client_max_window_bits=15", false, {.client_max_window_bits = 15}},
        {"permessage-deflate; client_max_window_bits=9", true, {.client_max_window_bits = 9}},
        {"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; "
         "client_max_window_bits=14",
         false, {true, true, 10, 14}},
    };
    for (const auto& each : cases) {
        CAPTURE(each.text);
        CHECK(ws::to_text(each.value, each.in_offer) == each.text);
        const auto parsed = ws::parse_deflate(each.text, each.in_offer);
        REQUIRE(parsed);
        CHECK(*parsed == each.value);
    }
    CHECK(ws::parse_deflate("permessage-deflate;client_max_window_bits = \"12\"", true)->client_max_window_bits == 12);
}

TEST_CASE("7.1: parameters that make no sense") {
    struct {
        std::string_view parameters, context;
        bool in_offer = true;
    } const cases[] = {
        {"foo", "foo is unknown"},
        {"Server_No_Context_Takeover", "is unknown"},
        {"x-webkit=1", "x-webkit=1 is unknown"},
        {"server_no_context_takeover; server_no_context_takeover", "second of its name"},
        {"client_no_context_takeover; client_no_context_takeover", "second of its name"},
        {"server_max_window_bits=9; server_max_window_bits=9", "second of its name"},
        {"client_max_window_bits; client_max_window_bits", "second of its name"},
        {"client_max_window_bits; client_max_window_bits=10", "second of its name"},
        {"server_no_context_takeover=1", "has a value"},
        {"client_no_context_takeover=true", "has a value"},
        {"server_max_window_bits", "has no value"},
        {"client_max_window_bits", "has no value", false},
        {"server_max_window_bits=7", "not one of 8 to 15"},
        {"server_max_window_bits=16", "not one of 8 to 15"},
        {"server_max_window_bits=08", "not one of 8 to 15"},
        {"server_max_window_bits=010", "not one of 8 to 15"},
        {"server_max_window_bits=1", "not one of 8 to 15"},
        {"server_max_window_bits=0", "not one of 8 to 15"},
        {"server_max_window_bits=-9", "not one of 8 to 15"},
        {"server_max_window_bits=+9", "not one of 8 to 15"},
        {"server_max_window_bits=9.0", "not one of 8 to 15"},
        {"server_max_window_bits=0x9", "not one of 8 to 15"},
        {"client_max_window_bits=20", "not one of 8 to 15"},
        {"client_max_window_bits=99999999999999999999", "not one of 8 to 15"},
        {"client_max_window_bits=a", "not one of 8 to 15"},
        {"client_max_window_bits=", "malformed"},
        {"server_max_window_bits=\"\"", "malformed"},
        {"a b", "unknown"},
        {"server_no_context_takeover b", "malformed"},
    };
    for (const auto& each : cases) {
        const std::string text = "permessage-deflate; " + std::string(each.parameters);
        CAPTURE(text);
        const auto parsed = ws::parse_deflate(text, each.in_offer);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == errc::bad_extension_parameters);
        CHECK(parsed.error() == condition::protocol);
        CHECK(parsed.error().message().find(each.context) != std::string::npos);
        if (!each.in_offer) continue;
        CHECK(answer({text}, generous) == "-");
        CHECK(answer({text, "permessage-deflate"}, generous) == ""); // the next offer is looked at
    }
}

TEST_CASE("a server takes the first offer that it can") {
    CHECK(answer({}, generous) == "-");
    CHECK(answer({"foo, bar; a=1"}, generous) == "-");
    CHECK(answer({"permessage-deflat, permessage-deflate2, x-permessage-deflate"}, generous) == "-");
    CHECK(answer({"permessage-deflate"}, generous) == "");
    CHECK(answer({"foo", "bar, permessage-deflate"}, generous) == "");
    CHECK(answer({"permessage-deflate; server_max_window_bits=10, permessage-deflate"}, generous) ==
          "; server_max_window_bits=10");
    CHECK(answer({"permessage-deflate; mode=7", "permessage-deflate; server_max_window_bits=7, "
                  "permessage-deflate; server_max_window_bits=11; client_max_window_bits"}, generous) ==
          "; server_max_window_bits=11");
}

TEST_CASE("7.1.1: context takeover, as a server answers") {
    struct {
        bool own, peer; // what our options allow
        std::string_view offer, expected;
    } const cases[] = {
        {true, true, "", ""},
        {false, true, "", "; server_no_context_takeover"},
        {true, false, "", "; client_no_context_takeover"},
        {false, false, "", "; server_no_context_takeover; client_no_context_takeover"},
        {true, true, "; server_no_context_takeover", "; server_no_context_takeover"},
        {true, true, "; client_no_context_takeover", "; client_no_context_takeover"},
        {false, false, "; client_no_context_takeover; server_no_context_takeover",
         "; server_no_context_takeover; client_no_context_takeover"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.offer);
        CHECK(answer({"permessage-deflate" + std::string(each.offer)},
                     {.context_takeover = each.own, .peer_context_takeover = each.peer}) == each.expected);
    }
    CHECK(answer({"permessage-deflate"}, {}) == "; server_no_context_takeover; client_no_context_takeover"); // default
}

TEST_CASE("7.1.2: window bits, as a server answers") {
    struct {
        int own, peer; // what our options allow
        std::string_view offer, expected;
    } const cases[] = {
        {15, 15, "; client_max_window_bits", ""},
        {15, 15, "; client_max_window_bits=15", ""},
        {15, 15, "; client_max_window_bits=8", "; client_max_window_bits=8"},
        {15, 10, "; client_max_window_bits=12", "; client_max_window_bits=10"},
        {15, 12, "; client_max_window_bits=10", "; client_max_window_bits=10"},
        {15, 9, "; client_max_window_bits", "; client_max_window_bits=9"},
        {15, 9, "", ""}, // it was not offered, so it may not be asked for
        {15, 15, "; server_max_window_bits=15", "; server_max_window_bits=15"},
        {15, 15, "; server_max_window_bits=8", "; server_max_window_bits=8"},
        {10, 15, "; server_max_window_bits=12", "; server_max_window_bits=10"},
        {12, 15, "; server_max_window_bits=10", "; server_max_window_bits=10"},
        {9, 15, "", ""},
        {15, 15, "; server_max_window_bits=9; client_max_window_bits=10",
         "; server_max_window_bits=9; client_max_window_bits=10"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.offer);
        compression_options how = generous;
        how.window_bits = each.own;
        how.peer_window_bits = each.peer;
        CHECK(answer({"permessage-deflate" + std::string(each.offer)}, how) == each.expected);
    }
}

TEST_CASE("what a client offers") {
    CHECK(ws::to_text(ws::offer_deflate({}), true) ==
          "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits");
    CHECK(ws::to_text(ws::offer_deflate(generous), true) == "permessage-deflate; client_max_window_bits");
    CHECK(ws::to_text(ws::offer_deflate({.window_bits = 9, .peer_window_bits = 8, .context_takeover = true}), true) ==
          "permessage-deflate; server_no_context_takeover; server_max_window_bits=8; client_max_window_bits=9");
}

TEST_CASE("what a client makes of the answer") {
    const compression_options small{.window_bits = 10, .peer_window_bits = 11};
    struct {
        const compression_options& how;
        std::vector<std::string_view> answer;
        errc expected;
        std::string_view context = {};
    } const cases[] = {
        {generous, {}, {}},
        {generous, {"permessage-deflate"}, {}},
        {generous, {"permessage-deflate; server_no_context_takeover"}, {}}, // may come unasked
        {generous, {"permessage-deflate; client_no_context_takeover; server_max_window_bits=8"}, {}},
        {generous, {"permessage-deflate; client_max_window_bits=8"}, {}},
        {generous, {"permessage-deflate; client_max_window_bits=15"}, {}},
        {small, {"permessage-deflate; server_no_context_takeover; server_max_window_bits=11"}, {}},
        {small, {"permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10"},
         {}},
        {generous, {"foo"}, errc::bad_extension, "not offered: foo"},
        {generous, {"permessage-deflate, foo"}, errc::bad_extension, "not offered: foo"},
        {generous, {"permessage-deflate, permessage-deflate"}, errc::bad_extension_parameters, "a second answer"},
        {generous, {"permessage-deflate", "permessage-deflate"}, errc::bad_extension_parameters, "a second answer"},
        {generous, {"permessage-deflate; foo=1"}, errc::bad_extension_parameters, "foo=1 is unknown"},
        {generous, {"permessage-deflate; client_max_window_bits"}, errc::bad_extension_parameters, "has no value"},
        {generous, {"permessage-deflate; client_max_window_bits=16"}, errc::bad_extension_parameters, "8 to 15"},
        {small, {"permessage-deflate"}, errc::bad_extension_parameters, "without the server_no_context_takeover"},
        {small, {"permessage-deflate; server_no_context_takeover"}, errc::bad_extension_parameters,
         "a larger server_max_window_bits"},
        {small, {"permessage-deflate; server_no_context_takeover; server_max_window_bits=12"},
         errc::bad_extension_parameters, "a larger server_max_window_bits"},
        {small,
         {"permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=11"},
         errc::bad_extension_parameters, "a client_max_window_bits that was not offered"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.answer.size());
        if (!each.answer.empty()) CAPTURE(each.answer[0]);
        const auto agreed = ws::confirm_deflate(fields_of(each.answer), ws::offer_deflate(each.how));
        if (each.expected == errc{}) {
            REQUIRE_MESSAGE(agreed, agreed.error().message());
            CHECK(agreed->has_value() == !each.answer.empty());
        } else {
            REQUIRE_FALSE(agreed);
            CHECK(agreed.error() == each.expected);
            CHECK(agreed.error().message().find(each.context) != std::string::npos);
        }
    }
    ws::deflate_parameters without = ws::offer_deflate(generous);
    without.client_max_window_bits.reset();
    CHECK_FALSE(ws::confirm_deflate(fields_of({"permessage-deflate; client_max_window_bits=8"}), without));
}

TEST_CASE("a client takes what a server answers") {
    for (const bool own : {false, true})
        for (const bool peer : {false, true})
            for (int bits = 8; bits <= 15; ++bits) {
                const compression_options client{
                    .window_bits = bits, .peer_window_bits = 23 - bits, .context_takeover = own, .peer_context_takeover = peer};
                const ws::deflate_parameters offer = ws::offer_deflate(client);
                for (const compression_options& server :
                     {compression_options{}, generous, compression_options{.window_bits = 10, .peer_window_bits = 11}}) {
                    const auto made = ws::accept_deflate(fields_of({ws::to_text(offer, true)}), server);
                    REQUIRE(made);
                    const auto agreed = ws::confirm_deflate(fields_of({ws::to_text(*made, false)}), offer);
                    REQUIRE(agreed);
                    REQUIRE(*agreed);
                    CHECK(**agreed == *made);
                }
            }
}
