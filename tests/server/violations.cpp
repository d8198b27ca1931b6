// Each way of breaking RFC 6455, over a real server: the close frame on the wire, and the end of the connection.
#include "serving.hpp"

#include <memory>

namespace {

struct violation {
    const char* name;
    std::string frames; // after a handshake; masked with zeros where masked
    unsigned code;
    const char* reason;
};

// A client's frame with a masking key of zeros.
std::string masked(unsigned char first, std::string payload) {
    std::string frame(1, static_cast<char>(first));
    if (payload.size() < 126) {
        frame += static_cast<char>(0x80 | payload.size());
    } else {
        frame += '\xFE';
        frame += static_cast<char>(payload.size() >> 8);
        frame += static_cast<char>(payload.size() & 255);
    }
    frame.append(4, '\0');
    return frame + payload;
}

std::vector<violation> violations() {
    using namespace std::string_literals;
    return {
        {"RFC 6455 5.2: RSV1", masked(0xC1, "a"), 1002,
            "reserved bits 100 set without an extension (RFC 6455 5.2)"},
        {"RFC 6455 5.2: RSV2", masked(0xA1, "a"), 1002,
            "reserved bits 010 set without an extension (RFC 6455 5.2)"},
        {"RFC 6455 5.2: RSV3", masked(0x91, "a"), 1002,
            "reserved bits 001 set without an extension (RFC 6455 5.2)"},
        {"RFC 6455 5.2: opcode 3", masked(0x83, "a"), 1002,
            "reserved opcode 3 (RFC 6455 5.2)"},
        {"RFC 6455 5.2: opcode 11", masked(0x8B, ""), 1002,
            "reserved opcode 11 (RFC 6455 5.2)"},
        {"RFC 6455 5.1: not masked", "\x81\x01"s + "a", 1002,
            "unmasked frame from a client (RFC 6455 5.1)"},
        {"RFC 6455 5.5: control frame in parts", masked(0x09, ""), 1002,
            "fragmented control frame, opcode 9 (RFC 6455 5.5)"},
        {"RFC 6455 5.5: long ping", masked(0x89, std::string(126, 'x')), 1002,
            "control frame over 125 bytes, opcode 9 (RFC 6455 5.5)"},
        {"RFC 6455 5.2: length 125 in 16 bits", "\x82\xFE\0\x7D\0\0\0\0"s, 1002,
            "payload length not in its shortest form (RFC 6455 5.2)"},
        {"RFC 6455 5.2: length 65535 in 64 bits", "\x82\xFF\0\0\0\0\0\0\xFF\xFF\0\0\0\0"s, 1002,
            "payload length not in its shortest form (RFC 6455 5.2)"},
        {"RFC 6455 5.2: highest bit of the length", "\x82\xFF\x80\0\0\0\0\0\0\0\0\0\0\0"s, 1002,
            "payload length over 63 bits (RFC 6455 5.2)"},
        {"RFC 6455 5.4: continuation of nothing", masked(0x80, "a"), 1002,
            "continuation frame with no message to continue (RFC 6455 5.4)"},
        {"RFC 6455 5.4: a message inside a message", masked(0x01, "a") + masked(0x81, "b"), 1002,
            "new message, opcode 1, inside a fragmented one (RFC 6455 5.4)"},
        {"RFC 6455 5.5.1: a close frame of one byte", masked(0x88, "\x03"), 1002,
            "close payload of 1 byte (RFC 6455 5.5.1)"},
        {"RFC 6455 7.4.1: close code 1005", masked(0x88, "\x03\xED"), 1002,
            "close code 1005 may not be sent (RFC 6455 7.4)"},
        {"RFC 6455 7.4.1: close code 1006", masked(0x88, "\x03\xEE"), 1002,
            "close code 1006 may not be sent (RFC 6455 7.4)"},
        {"RFC 6455 7.4.2: close code 999", masked(0x88, "\x03\xE7"), 1002,
            "close code 999 may not be sent (RFC 6455 7.4)"},
        {"RFC 6455 7.4.2: close code 5000", masked(0x88, "\x13\x88"), 1002,
            "close code 5000 may not be sent (RFC 6455 7.4)"},
        {"RFC 6455 8.1: text that is not UTF-8", masked(0x81, "\xFF"), 1007,
            "text is not valid UTF-8 (RFC 6455 8.1)"},
        {"RFC 6455 8.1: text that ends in a character", masked(0x81, "\xE2\x82"), 1007,
            "text is not valid UTF-8 (RFC 6455 8.1)"},
        {"RFC 6455 8.1: the same in parts", masked(0x01, "\xE2") + masked(0x80, "\x28"), 1007,
            "text is not valid UTF-8 (RFC 6455 8.1)"},
        {"RFC 6455 5.5.1: a reason that is not UTF-8", masked(0x88, "\x03\xE8\xFF"), 1007,
            "close reason is not valid UTF-8 (RFC 6455 5.5.1)"},
        {"RFC 6455 7.4.1: a message over the limit", masked(0x82, std::string(1001, 'x')), 1009,
            "message of 1001 bytes over the limit of 1000"},
        {"RFC 6455 7.4.1: one of which little has come", "\x82\xFF\0\0\x7F\xFF\xFF\xFF\xFF\xFF\0\0\0\0x"s, 1009,
            "message of 140737488355327 bytes over the limit of 1000"},
        {"RFC 6455 7.4.1: the same in parts", masked(0x02, std::string(600, 'x')) + masked(0x80, std::string(600, 'x')), 1009,
            "message of 1200 bytes over the limit of 1000"},
        {"too many frames", masked(0x02, "") + masked(0, "") + masked(0, "") + masked(0, "") + masked(0, ""), 1009,
            "message of more frames than the limit of 4"},
    };
}

} // namespace

TEST_CASE("violations of the protocol: close code and reason on the wire") {
    for (const bool busy : {false, true}) { // while the handler reads, and while it does something else
        server of;
        close_info ended;
        auto handler = [&](websocket& ws) -> task<> {
            if (busy) (void)co_await weir::sleep(100s);
            while (auto message = co_await ws.read()) co_await ws.send(*message);
            ended = ws.closed();
        };
        of.websocket("/echo", handler);
        auto work = [&](net::endpoint at) -> task<> {
            for (const violation& each : violations()) {
                const bool by_bytes[] = {false, true};
                for (const bool bytewise : by_bytes) {
                    if (busy && each.code == 1009) continue; // whether a message is too large says who reads it
                    CAPTURE(std::string(each.name));
                    CAPTURE(busy);
                    ended = {};
                    std::unique_ptr<raw_peer> peer = co_await dial(at);
                    co_await peer->send(handshake());
                    const std::string accepted = co_await peer->read_response();
                    REQUIRE(accepted.starts_with("HTTP/1.1 101 "));
                    const auto began = io::loop::current()->now();
                    co_await peer->send(each.frames, bytewise && each.frames.size() < 200 ? 1 : std::string::npos);
                    const std::string got = co_await peer->read_all();
                    REQUIRE(got.size() > 4);
                    CHECK(got[0] == '\x88');
                    const std::string_view payload = std::string_view(got).substr(2);
                    CHECK(payload.size() == static_cast<unsigned char>(got[1])); // unmasked, and nothing behind it
                    const unsigned code = static_cast<unsigned char>(payload[0]) * 256u + static_cast<unsigned char>(payload[1]);
                    const std::string reason(payload.substr(2));
                    CAPTURE(reason);
                    CHECK(code == each.code);
                    CHECK(reason == each.reason);
                    CHECK(io::loop::current()->now() - began < 1s);
                    peer.reset();
                    (void)co_await weir::sleep(busy ? 11s : 1s); // a handler that has not come for what is unread has a while
                    CHECK(static_cast<unsigned>(ended.code) == each.code);
                    CHECK(ended.reason == reason);
                    CHECK(ended.cause == (each.code == 1009 ? close_cause::limit : close_cause::protocol_error));
                }
            }
        };
        in_memory(of, work, {.websocket = {.message_bytes = 1000, .message_fragments = 4}});
    }
}
