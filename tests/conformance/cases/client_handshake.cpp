// Responses, as a client has to judge them (RFC 6455, sections 4.1 and 4.2.2). A client's own request is looked at in every case.
#include "../case.hpp"

namespace conformance {

void add_client_handshake(case_list& cases) {
    const auto accepted = [&](const std::string& name, const char* rfc, const head& opening) -> test_case& {
        return cases.add("response/right/" + name, rfc, {send(text("Hello")), expect(text("Hello"))}).with_opening(opening).client_only();
    };
    // A frame follows what is to be refused: who sends it back has not refused.
    const auto rejected = [&](const std::string& name, const char* rfc, const head& opening) -> test_case& {
        return cases.add("response/wrong/" + name, rfc, {refused(), send(text("Hello"))}).with_opening(opening).client_only();
    };
    const head good = response();
    const auto status = [&](const char* line) { return head{line, {{"Content-Length", "0"}}}; };

    accepted("plain", "4.1", good);
    accepted("another-phrase", "4.1", good.with_line("HTTP/1.1 101 Web Socket Protocol Handshake"));
    accepted("no-phrase", "RFC 7230 3.1.2", good.with_line("HTTP/1.1 101 "));
    accepted("upgrade-in-capitals", "4.1", good.with("Upgrade", "WebSocket"));
    accepted("connection-in-lower-case", "4.1", good.with("Connection", "upgrade"));
    accepted("connection-is-a-list", "4.1", good.with("Connection", "keep-alive, Upgrade"));
    accepted("field-names-in-lower-case", "RFC 7230 3.2",
             {"HTTP/1.1 101 Switching Protocols",
              {{"upgrade", "websocket"}, {"connection", "Upgrade"}, {"sec-websocket-accept", "{accept}"}}});
    accepted("fields-in-another-order", "4.1",
             {"HTTP/1.1 101 Switching Protocols",
              {{"Sec-WebSocket-Accept", "{accept}"}, {"Connection", "Upgrade"}, {"Upgrade", "websocket"}}});
    accepted("blanks-around-values", "RFC 7230 3.2", good.with("Sec-WebSocket-Accept", " \t {accept} \t"));
    accepted("unknown-fields", "4.1", good.plus("Server", "suite").plus("Set-Cookie", "a=b").plus("Date", "Thu, 01 Jan 1970 00:00:00 GMT"));
    accepted("long-field", "RFC 7230 3.2.5", good.plus("X-Long", letters(2000)));

    // "If the status code received from the server is not 101, the client handles the response per HTTP procedures."
    rejected("200", "4.1", status("HTTP/1.1 200 OK"));
    rejected("200-with-all-fields", "4.1", good.with_line("HTTP/1.1 200 OK"));
    rejected("204", "4.1", {"HTTP/1.1 204 No Content", {}});
    rejected("301", "4.1", status("HTTP/1.1 301 Moved Permanently"));
    rejected("400", "4.1", status("HTTP/1.1 400 Bad Request"));
    rejected("401", "4.1", status("HTTP/1.1 401 Unauthorized").plus("WWW-Authenticate", "Basic realm=\"a\""));
    rejected("404", "4.1", status("HTTP/1.1 404 Not Found"));
    rejected("426", "4.4", status("HTTP/1.1 426 Upgrade Required").plus("Sec-WebSocket-Version", "8"));
    rejected("500", "4.1", status("HTTP/1.1 500 Internal Server Error"));
    rejected("503", "4.1", status("HTTP/1.1 503 Service Unavailable"));
    rejected("404-with-all-fields", "4.1", good.with_line("HTTP/1.1 404 Not Found").plus("Content-Length", "0"));

    rejected("no-upgrade", "4.1", good.without("Upgrade"));
    rejected("empty-upgrade", "4.1", good.with("Upgrade", ""));
    rejected("upgrade-to-h2c", "4.1", good.with("Upgrade", "h2c"));
    rejected("upgrade-to-websockets", "4.1", good.with("Upgrade", "websockets"));
    rejected("no-connection", "4.1", good.without("Connection"));
    rejected("connection-close", "4.1", good.with("Connection", "close"));
    rejected("connection-upgrades", "4.1", good.with("Connection", "Upgrades"));
    rejected("no-accept", "4.1", good.without("Sec-WebSocket-Accept"));
    rejected("empty-accept", "4.1", good.with("Sec-WebSocket-Accept", ""));
    rejected("accept-of-another-key", "4.1", good.with("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    rejected("accept-is-the-key", "4.1", good.with("Sec-WebSocket-Accept", "{key}"));
    rejected("accept-in-lower-case", "4.1", good.with("Sec-WebSocket-Accept", "{accept-in-lower-case}"));
    rejected("accept-with-more", "4.1", good.with("Sec-WebSocket-Accept", "{accept}="));
    rejected("accept-without-padding", "4.1", good.with("Sec-WebSocket-Accept", "{accept-without-padding}"));
    rejected("two-accepts", "11.3.3", good.plus("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    rejected("http-1.0", "4.1, RFC 7230 2.6", good.with_line("HTTP/1.0 101 Switching Protocols")).should();

    // "an extension that was not present in the client's handshake", "a subprotocol that was not present"
    rejected("subprotocol-not-offered", "4.1", good.plus("Sec-WebSocket-Protocol", "nobody.asked"));
    rejected("extension-not-offered", "4.1", good.plus("Sec-WebSocket-Extensions", "x-nobody-asked"));
    rejected("two-extensions-not-offered", "4.1", good.plus("Sec-WebSocket-Extensions", "x-nobody-asked; a=1, x-nor-this"));
    rejected("extension-that-is-none", "9.1", good.plus("Sec-WebSocket-Extensions", ";;=,"));

    rejected("no-http", "RFC 7230 3", {.line = "", .fields = {}, .raw = "SSH-2.0-suite\r\n\r\n"});
    rejected("http-2", "RFC 7230 3", good.with_line("HTTP/2 101 Switching Protocols"));
    rejected("no-field", "RFC 7230 3.2", {.line = "", .fields = {}, .raw = "HTTP/1.1 101 Switching Protocols\r\nthis is no field\r\n\r\n"});
    rejected("a-frame-instead", "4.1", {.line = "", .fields = {}, .raw = from_hex("81 05 48 65 6C 6C 6F") + "\r\n\r\n"});

    // What comes with the head is not lost.
    const auto together = [&](const std::string& name, std::vector<step> steps) {
        cases.add("response/together/" + name, "4.1, 5.1", std::move(steps)).in_one_piece().client_only();
    };
    together("text", {send(text("Hello")), expect(text("Hello"))});
    together("three-messages", {send(text("one"), binary("two"), text("three")), expect(text("one"), binary("two"), text("three"))});
    together("ping", {send(ping("a")), expect(pong("a"))});
    together("fragments-and-ping", {send(text("Hel").fragment(), ping("a"), last("lo")), expect(pong("a"), text("Hello"))});
    together("half-a-frame", {hold(text("Hello"), 2), quiet(), release(), expect(text("Hello"))});
    together("large", {send(binary(octets(100000))), expect(binary(octets(100000)))});
    together("bad-frame", {send(text("Hello").rsv(4)), fails(1002)});
    together("close", {send(close(1001)), closes(1001)});
    together("text-and-close", {send(text("Hello"), close(1000)), closes(1000).after(text("Hello"))});
}

} // namespace conformance
