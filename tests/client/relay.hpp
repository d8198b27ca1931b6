// A proxy for tests, over whatever streams a loop has: CONNECT and SOCKS5 without a login, by the first byte that comes.
#pragma once

#include "../server/serving.hpp"

#include <weir/net/security.hpp>

#include <algorithm>

namespace relay {

struct line {
    explicit line(owned<io::stream> over) : stream(std::move(over)), source(*stream) {}

    // So many bytes; fewer at the end.
    task<std::string> take(std::size_t count) {
        std::string got;
        while (got.size() < count) {
            if (source.rest().empty()) {
                const result<bool> more = co_await source.more();
                if (!more || !*more) break;
            }
            const std::size_t part = std::min(count - got.size(), source.rest().size());
            got += as_text(source.rest().first(part));
            source.rest() = source.rest().subspan(part);
        }
        co_return got;
    }

    owned<io::stream> stream;
    byte_source source;
};

// Passes on what comes, until the end; what breaks one side breaks the other.
inline task<> pass_on(line& from, line& to) {
    for (;;) {
        const std::string piece(as_text(from.source.rest()));
        const result<> written = co_await to.source.write(as_bytes(piece));
        if (!written) co_return from.stream->reset();
        const result<bool> more = co_await from.source.more();
        if (!more) co_return to.stream->reset();
        if (!*more) co_return to.stream->shutdown_write();
    }
}

// Whom the client asks for, and what it is told when it is connected, and when it is not.
struct order {
    std::string host;
    std::uint16_t port = 0;
    std::string granted;
    std::string refused;
};

inline task<order> take_order(line& from) {
    order made;
    std::string text = co_await from.take(1);
    if (text == "\5") {
        text = co_await from.take(1);
        const std::string methods = co_await from.take(text.empty() ? 0 : static_cast<unsigned char>(text[0]));
        const std::string none("\5\0", 2);
        (void)co_await from.source.write(as_bytes(none));
        text = co_await from.take(5);
        if (text.size() < 5 || text[3] != 3) co_return made;
        made.host = co_await from.take(static_cast<unsigned char>(text[4]));
        text = co_await from.take(2);
        if (text.size() != 2) co_return made;
        made.port = static_cast<std::uint16_t>(static_cast<unsigned char>(text[0]) << 8 | static_cast<unsigned char>(text[1]));
        made.granted.assign("\5\0\0\1\0\0\0\0\0\0", 10);
        made.refused.assign("\5\4\0\1\0\0\0\0\0\0", 10);
        co_return made;
    }
    while (!text.ends_with("\r\n\r\n")) {
        const std::string more = co_await from.take(1);
        if (more.empty()) co_return made;
        text += more;
    }
    const std::size_t begin = text.find(' ') + 1, colon = text.find(':');
    made.host = text.substr(begin, colon - begin);
    made.port = static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1)));
    made.granted = "HTTP/1.1 200 Connected\r\n\r\n";
    made.refused = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    co_return made;
}

inline task<> serve_one(owned<io::stream> stream) {
    line client(std::move(stream));
    const order wished = co_await take_order(client);
    if (wished.port == 0) co_return;
    result<owned<io::stream>> made = co_await net::connect(wished.host, wished.port);
    (void)co_await client.source.write(as_bytes(made ? wished.granted : wished.refused));
    if (!made) co_return;
    line server(std::move(*made));
    scope both;
    both.spawn(pass_on(client, server));
    both.spawn(pass_on(server, client));
    co_await both.join();
}

// Serves for ever, over TLS where `by` is not null.
inline task<> serve_on(net::listener& listener, net::server_security* by) {
    scope clients;
    for (;;) {
        auto stream = co_await listener.accept();
        if (!stream) co_return;
        clients.spawn(serve_one(by ? by->begin(std::move(*stream)) : std::move(*stream)));
    }
}
inline task<> serve(std::uint16_t port) {
    auto listener = net::listen("", port);
    REQUIRE_MESSAGE(listener, listener.error().message());
    co_await serve_on(*listener, nullptr);
}

} // namespace relay
