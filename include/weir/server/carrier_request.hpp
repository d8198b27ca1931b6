// What a request to a channel asks for: a session or a new one, what its client has, and the transport.
//
// From the query, and from the Last-Event-ID with which browsers take up an event stream again. Views into the request.
#pragma once

#include <weir/protocol/channel/record.hpp>
#include <weir/protocol/http/request_head.hpp>
#include <weir/transport/transport_kind.hpp>

namespace weir::inline v0::detail {

template <class = void>
struct carrier_request {
    std::string_view session;                // empty: a new one
    std::optional<std::uint64_t> ack;        // everything up to this has arrived
    std::optional<transport_kind> transport; // that is asked for by name
    std::string_view wrong;                  // a sentence, where the request makes no sense
    bool names_session = false;              // in the query, so that the client can do without in the ids of events

    [[gnu::cold]] explicit carrier_request(std::string_view query, std::string_view last_event_id = {}) noexcept {
        while (!query.empty()) {
            const std::size_t end = query.find('&') == query.npos ? query.size() : query.find('&');
            take(query.substr(0, end));
            query.remove_prefix(end == query.size() ? end : end + 1);
        }
        names_session = !session.empty();
        const std::size_t dot = last_event_id.rfind('.');
        if (dot != last_event_id.npos) session = last_event_id.substr(0, dot);
        if (!last_event_id.empty()) take_ack(last_event_id.substr(dot == last_event_id.npos ? 0 : dot + 1));
        if (ack && *ack > 0 && session.empty()) wrong = "'ack' without a session";
    }

private:
    void take(std::string_view parameter) noexcept {
        const std::size_t equals = parameter.find('=') == parameter.npos ? parameter.size() : parameter.find('=');
        const std::string_view name = parameter.substr(0, equals);
        const std::string_view value = parameter.substr(equals == parameter.size() ? equals : equals + 1);
        if (name == "session") {
            session = value;
            if (value.empty()) wrong = "'session' without an id";
        } else if (name == "ack") {
            take_ack(value);
        } else if (name == "transport") {
            for (const transport_kind each : {transport_kind::polling, transport_kind::long_polling, transport_kind::event_stream,
                                              transport_kind::websocket})
                if (value == to_text(each)) transport = each;
            if (!transport) wrong = "'transport' is polling, long-polling, event-stream or websocket";
        }
    }

    void take_ack(std::string_view value) noexcept {
        ack = envelope::parse_number(value);
        if (!ack) wrong = "'ack' is the number of a message";
    }
};

} // namespace weir::inline v0::detail
