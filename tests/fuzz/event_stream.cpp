// Event streams: the parser, whole and at any cuts, agrees with a slow reader written from the standard, in its events,
// in where each of them ends and in why it fails; what a server writes comes back.
#include "reference.hpp"
#include "support.hpp"

#include <weir/protocol/channel/record.hpp>
#include <weir/protocol/http/event_stream.hpp>

#include <optional>

namespace event_stream_target {

using namespace weir;

struct happening {
    std::string type, data, id;
    std::size_t end = 0; // how many bytes had been taken when it was there
    bool operator==(const happening&) const = default;
};

struct outcome {
    std::vector<happening> events;
    std::uint64_t retry = UINT64_MAX;
    errc failure{};
    bool operator==(const outcome&) const = default;
};

static outcome parse(std::string_view text, std::size_t limit, std::optional<std::uint8_t> cuts) {
    http::event_stream_parser parser(limit);
    outcome all;
    std::size_t taken = 0;
    const auto use = [&](std::string_view piece) {
        const fuzz::exact copy(piece);
        bytes_view rest = copy.bytes();
        for (;;) {
            const std::size_t before = rest.size();
            const http::parse_status status = parser.parse(rest);
            fuzz::require(rest.size() <= before && rest.data() + rest.size() == copy.bytes().data() + piece.size(),
                          "bytes are taken off the front");
            taken += before - rest.size();
            if (status == http::parse_status::done) {
                fuzz::require(!parser.error(), "an event is no failure");
                all.events.push_back({std::string(parser.type()), std::string(parser.data()), std::string(parser.last_id()), taken});
                continue;
            }
            if (status == http::parse_status::need_more) {
                fuzz::require(rest.empty(), "need_more only when the input is used up");
                return true;
            }
            all.failure = static_cast<errc>(parser.error().code().value());
            fuzz::require(parser.error() == all.failure && all.failure != errc{}, "a failure says why");
            fuzz::require(parser.parse(rest) == http::parse_status::failed, "and stays");
            return false;
        }
    };
    if (text.empty() || !cuts) use(text);
    else fuzz::cut_up(text, *cuts, use);
    all.retry = parser.retry_ms();
    return all;
}

// WHATWG HTML, sections 9.2.5 and 9.2.6, line by line, with what the parser adds: UTF-8 must be, and there is a limit.
class reader {
public:
    explicit reader(std::size_t limit) noexcept : x_limit(limit) {}

    outcome read(std::string_view text) {
        std::string line;
        for (std::size_t at = 0; at < text.size(); ++at) {
            const char each = text[at];
            if (each == '\n' && at > 0 && text[at - 1] == '\r') continue; // a pair ends one line, which the first has done
            if (each != '\r' && each != '\n') {
                line += each;
                if (line.size() > x_limit) return fail(errc::message_too_large);
                continue;
            }
            if (const errc wrong = take(line, at + 1); wrong != errc{}) return fail(wrong);
            line.clear();
        }
        return std::move(x_all); // an event that the stream ends in is none
    }

private:
    outcome fail(errc why) {
        x_all.failure = why;
        return std::move(x_all);
    }

    errc take(std::string line, std::size_t end) {
        if (x_first && line.substr(0, 3) == "\xEF\xBB\xBF") line.erase(0, 3);
        x_first = false;
        if (line.empty()) {
            dispatch(end);
            return {};
        }
        if (!fuzz::reference_utf8::valid(line)) return errc::bad_utf8;
        std::string name, value;
        std::size_t at = 0;
        while (at < line.size() && line[at] != ':') name += line[at++];
        if (at < line.size()) ++at; // the colon
        if (at < line.size() && line[at] == ' ') ++at;
        while (at < line.size()) value += line[at++];
        if (name == "event") {
            x_type = value;
        } else if (name == "data") {
            if (x_data.size() + value.size() > x_limit) return errc::message_too_large; // the last line feed does not count
            x_data += value + '\n';
        } else if (name == "id") {
            if (value.find('\0') == value.npos) x_id = value;
        } else if (name == "retry" && !value.empty() && value.find_first_not_of("0123456789") == value.npos) {
            std::size_t zeros = 0;
            while (zeros + 1 < value.size() && value[zeros] == '0') ++zeros;
            const std::string number = value.substr(zeros), most = "18446744073709551609"; // what is above is not heeded
            if (number.size() < most.size() || (number.size() == most.size() && number <= most)) x_all.retry = std::stoull(number);
        }
        return {};
    }

    void dispatch(std::size_t end) {
        if (!x_data.empty()) {
            x_data.pop_back();
            x_all.events.push_back({x_type, x_data, x_id, end});
        }
        x_data.clear();
        x_type.clear();
    }

    std::size_t x_limit;
    outcome x_all;
    std::string x_type, x_data, x_id;
    bool x_first = true;
};

static void check_parsing(std::string_view text, std::size_t limit, std::uint8_t cuts) {
    const outcome whole = parse(text, limit, {});
    const outcome slow = reader(limit).read(text);
    fuzz::require(whole.failure == slow.failure, "fails where the slow reader does");
    fuzz::require(whole.events == slow.events, "with the same events");
    fuzz::require(whole == slow, "and the same time to come back in");
    fuzz::require(parse(text, limit, cuts) == whole, "the same at any cuts");
}

// What the route of a channel writes: a record in each event, messages with their number as id.
static void check_writing(fuzz::input in, std::uint8_t cuts) {
    std::string stream;
    std::vector<happening> said;
    const bool short_ids = in.flag();
    std::string id;
    for (std::uint64_t number = 1 + in.number<std::uint16_t>(); !in.empty(); ++number) {
        const std::size_t size = in.up_to(31);
        const std::uint8_t what = in.byte();
        std::string_view payload = in.take(size);
        std::string record;
        if (what & 1) {
            const bool is_text = (what & 2) && fuzz::reference_utf8::valid(payload);
            envelope::append_message_line(record, number, is_text, as_bytes(payload));
            id = (short_ids ? "" : "6HZbcOhbjcQxTn2Ih4vGbg.") + std::to_string(number);
            stream += "id: " + id + "\n";
        } else if (fuzz::reference_utf8::valid(payload)) {
            envelope::append_sentence(record, what & 2 ? envelope::kind::closed : envelope::kind::failed, number, payload);
        } else {
            record = "h";
        }
        stream += "data: " + record + "\n\n";
        said.push_back({"", record, id, stream.size()});
    }
    const outcome heard = parse(stream, http::event_stream_parser::default_limit_bytes, cuts);
    fuzz::require(heard.failure == errc{} && heard.events == said, "what is written comes back");
}

} // namespace event_stream_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace event_stream_target;
    fuzz::input in(data, size);
    const std::uint8_t cuts = in.byte();
    const std::uint8_t bound = in.byte();
    const std::size_t limit = bound & 1 ? bound / 2u : http::event_stream_parser::default_limit_bytes;
    check_writing(in, cuts);
    check_parsing(in.take_all(), limit, cuts);
    return 0;
}
