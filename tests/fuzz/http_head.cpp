// HTTP heads: whole and at any cuts a stream of heads gives the same heads and the same end; limits hold; a head that was
// accepted is written by our writer so that it parses to the same and is framed the same.
#include "support.hpp"

#include <weir/core/buffer.hpp>
#include <weir/protocol/http/body_framing.hpp>
#include <weir/protocol/http/head_parser.hpp>
#include <weir/protocol/http/writer.hpp>

namespace http_head_target {

using namespace weir;

static std::string fields_of(const http::fields& of) {
    std::string all;
    for (const http::field each : of) all.append(each.name).append("=").append(each.value).append("\n");
    return all;
}
static std::string text_of(const http::request_head& of) {
    return of.method + "\n" + of.target + "\n" + std::to_string(of.version_minor) + "\n" + fields_of(of.fields);
}
static std::string text_of(const http::response_head& of) {
    const std::string_view reason = of.reason.empty() ? http::reason_phrase(of.status) : std::string_view(of.reason);
    return std::to_string(http::to_number(of.status)) + "\n" + std::string(reason) + "\n" +
           std::to_string(of.version_minor) + "\n" + fields_of(of.fields);
}

static result<http::body_framing> framing(const http::request_head& of) { return http::framing_of(of); }
static result<http::body_framing> framing(const http::response_head& of) { return http::framing_of(of, "GET"); }

// What is always so of a head that was accepted, by other means than the library's.
static void check_fields(const http::fields& of, const http::head_limits& limits) {
    fuzz::require(of.size() <= limits.field_count && of.lines().size() <= 2 * limits.head_bytes, "limits hold");
    for (const http::field each : of) {
        fuzz::require(!each.name.empty() && each.name.find_first_of(" \t:\r\n()<>@,;\\\"/[]?={}") == each.name.npos,
                      "a name is a token");
        for (const char c : each.value)
            fuzz::require((static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) || c == '\t', "no control bytes");
    }
}
static void check(const http::request_head& of, const http::head_limits& limits) {
    check_fields(of.fields, limits);
    fuzz::require(of.method.size() + of.target.size() + 12 <= limits.line_bytes, "the first line's limit holds");
    for (const char c : of.target) fuzz::require(c > ' ' && c < 0x7F, "a target of visible ASCII");
    fuzz::require(of.fields.count("Host") <= 1 && (of.version_minor == 0 || of.fields.count("Host") == 1), "one Host");
    const std::string_view path = of.path(), query = of.query();
    fuzz::require(!path.empty() && path.find('?') == path.npos && path.size() + query.size() <= of.target.size() + 1, "a path");
}
static void check(const http::response_head& of, const http::head_limits& limits) {
    check_fields(of.fields, limits);
    fuzz::require(of.reason.size() + 14 <= limits.line_bytes || of.reason.empty(), "the first line's limit holds");
    fuzz::require(http::to_number(of.status) >= 100 && http::to_number(of.status) <= 999, "three digits");
}

template <class Head>
static void write_and_read(const Head& head) {
    std::string text;
    fuzz::require(http::append_head(text, head), "what was read can be written");
    block_pool pool(0);
    buffer same(pool);
    fuzz::require(http::append_head(same, head) && as_text(same.view()) == text, "a buffer gets what a string gets");

    const fuzz::exact copy(text);
    bytes_view rest = copy.bytes();
    http::head_parser<Head> parser({.head_bytes = text.size(), .line_bytes = text.size(), .field_count = 1000});
    fuzz::require(parser.parse(rest) == http::parse_status::done && rest.empty(), "what was written parses, to its end");
    const Head again = parser.take();
    fuzz::require(text_of(again) == text_of(head), "and to the same");

    const auto before = framing(head), after = framing(again);
    fuzz::require(before.has_value() == after.has_value(), "framed the same");
    if (before)
        fuzz::require(before->kind == after->kind && before->length == after->length, "framed the same");
    else
        fuzz::require(before.error() == errc::bad_framing || before.error() == errc::unknown_coding, "a documented error");
}

// Everything that comes out of a stream of heads without bodies.
template <class Head, class Feed>
static std::string parse_all(const http::head_limits& limits, bool check_each, Feed feed) {
    http::head_parser<Head> parser(limits);
    std::string log;
    bool failed = false;
    feed([&](std::string_view text) {
        const fuzz::exact copy(text);
        bytes_view rest = copy.bytes();
        while (!rest.empty() && !failed) {
            const http::parse_status now = parser.parse(rest);
            if (now == http::parse_status::need_more) {
                fuzz::require(rest.empty(), "need_more only when the input is used up");
            } else if (now == http::parse_status::failed) {
                fuzz::require(bool(parser.error()) && !parser.error().context().empty(), "a failure is explained");
                log += "failed: " + parser.error().message();
                failed = true;
                const std::size_t left = rest.size();
                fuzz::require(parser.parse(rest) == now && rest.size() == left, "and stays");
            } else {
                const Head head = parser.take();
                if (check_each) {
                    check(head, limits);
                    write_and_read(head);
                }
                log += "head: " + text_of(head);
            }
        }
        return !failed;
    });
    if (!failed) log += parser.started() ? "started" : "between";
    return log;
}

template <class Head>
static void run(std::string_view text, const http::head_limits& limits, std::uint8_t cuts) {
    const std::string whole = parse_all<Head>(limits, true, [&](auto&& use) { use(text); });
    const std::string pieces = parse_all<Head>(limits, false, [&](auto&& use) { fuzz::cut_up(text, cuts, use); });
    fuzz::require(whole == pieces, "the same at any cuts");
}

} // namespace http_head_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace http_head_target;
    fuzz::input in(data, size);
    const std::uint8_t how = in.byte();
    const std::uint8_t cuts = in.byte();
    http::head_limits limits;
    if (how & 2) limits.line_bytes = in.up_to(255);
    if (how & 4) limits.head_bytes = limits.line_bytes + in.up_to(255);
    if (how & 8) limits.field_count = in.up_to(15);
    if (how & 1)
        run<http::request_head>(in.take_all(), limits, cuts);
    else
        run<http::response_head>(in.take_all(), limits, cuts);
    return 0;
}
