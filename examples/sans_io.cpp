// The WebSocket protocol without any I/O: a client and a server in one plain loop, their bytes passed by hand.
// This is how weir is put below another event loop, into a fuzzer, or over something that is no socket.
#include <weir.hpp>

#include <cstdio>
#include <string>

namespace ws = weir::ws;

// One end of the conversation: the protocol's state, and the bytes that the other end has not received yet.
struct end {
    const char* name;
    ws::connection protocol;
    weir::buffer output;

    end(const char* who, ws::role role, weir::block_pool& pool) : name(who), protocol(role, pool), output(pool) {}

    // A real client takes a new key from the operating system for each frame; a server's frames have none.
    ws::masking_key key() const { return {{std::byte{0xA1}, std::byte{0xB2}, std::byte{0xC3}, std::byte{0xD4}}}; }

    void send(std::string_view text, bool last = true) {
        if (protocol.encode_frame(output, ws::opcode::text, weir::as_bytes(text), last, key()) != weir::errc{})
            std::printf("%s could not send\n", name);
    }

    // Takes what has arrived. Payloads are views into `input`; nothing is copied.
    void receive(weir::mutable_bytes input) {
        for (;;) {
            const ws::event seen = protocol.receive(input);
            const std::string payload(weir::as_text(seen.payload));
            switch (seen.what) {
            case ws::event::kind::need_more: return;
            case ws::event::kind::data:
                std::printf("%s got \"%s\"%s\n", name, payload.c_str(), seen.last ? "" : " ...");
                if (protocol.role() == ws::role::server && seen.last) send("thank you");
                break;
            case ws::event::kind::ping:
                std::printf("%s got a ping\n", name);
                (void)protocol.encode_control(output, ws::opcode::pong, seen.payload, key());
                break;
            case ws::event::kind::pong: std::printf("%s got the pong \"%s\"\n", name, payload.c_str()); break;
            case ws::event::kind::close:
                std::printf("%s got close %d \"%s\"\n", name, static_cast<int>(seen.code), payload.c_str());
                (void)protocol.encode_close(output, seen.code, "", key()); // says `closed` where we closed first
                break;
            case ws::event::kind::failed:
                std::printf("%s refuses: %s\n", name, protocol.failure_reason().c_str());
                (void)protocol.encode_close(output, seen.code, protocol.failure_reason(), key());
            }
        }
    }
};

int main() {
    weir::block_pool pool;
    end client("client", ws::role::client, pool);
    end server("server", ws::role::server, pool);

    client.send("Hello, ", false); // one message in two frames, and a ping between them
    (void)client.protocol.encode_control(client.output, ws::opcode::ping, weir::as_bytes("anyone?"), client.key());
    client.send("world");
    (void)client.protocol.encode_close(client.output, ws::close_code::normal, "that was all", client.key());

    while (!client.output.empty() || !server.output.empty()) { // the network: both directions, until all is quiet
        server.receive(client.output.view());
        client.output.clear();
        client.receive(server.output.view());
        server.output.clear();
    }
    return client.protocol.close_received() && server.protocol.close_received() ? 0 : 1;
}
