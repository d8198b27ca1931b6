// Requests, as a server has to judge them (RFC 6455, sections 4.1, 4.2.1 and 4.4).
#include "../case.hpp"

namespace conformance {

void add_server_handshake(case_list& cases) {
    const auto add = [&](const std::string& name, const char* rfc, const head& opening, std::vector<step> steps) -> test_case& {
        return cases.add("request/" + name, rfc, std::move(steps)).with_opening(opening).server_only();
    };
    const auto accepted = [&](const std::string& name, const char* rfc, const head& opening) -> test_case& {
        return add("right/" + name, rfc, opening, {send(text("Hello")), expect(text("Hello"))});
    };
    const head good = request();

    // What is to be accepted.
    accepted("plain", "4.2.1", good);
    accepted("field-names-in-lower-case", "4.2.1, RFC 7230 3.2",
             {"GET {target} HTTP/1.1",
              {{"host", "{host}"}, {"upgrade", "websocket"}, {"connection", "Upgrade"}, {"sec-websocket-key", "{key}"},
               {"sec-websocket-version", "13"}}});
    accepted("field-names-in-upper-case", "4.2.1, RFC 7230 3.2",
             {"GET {target} HTTP/1.1",
              {{"HOST", "{host}"}, {"UPGRADE", "websocket"}, {"CONNECTION", "Upgrade"}, {"SEC-WEBSOCKET-KEY", "{key}"},
               {"SEC-WEBSOCKET-VERSION", "13"}}});
    accepted("upgrade-in-capitals", "4.2.1", good.with("Upgrade", "WebSocket"));
    accepted("connection-in-lower-case", "4.2.1", good.with("Connection", "upgrade"));
    accepted("connection-is-a-list", "4.2.1", good.with("Connection", "keep-alive, Upgrade"));
    accepted("connection-list-without-blanks", "4.2.1", good.with("Connection", "keep-alive,Upgrade"));
    accepted("connection-in-two-fields", "4.2.1, RFC 7230 3.2.2", good.with("Connection", "keep-alive").plus("Connection", "Upgrade"));
    accepted("blanks-around-values", "RFC 7230 3.2", good.with("Upgrade", " \t websocket \t "));
    accepted("no-blanks-before-values", "RFC 7230 3.2",
             {.line = "", .fields = {}, .raw = "GET {target} HTTP/1.1\r\nHost:{host}\r\nUpgrade:websocket\r\nConnection:Upgrade\r\n"
                                               "Sec-WebSocket-Key:{key}\r\nSec-WebSocket-Version:13\r\n\r\n"});
    accepted("unknown-fields", "4.1", good.plus("X-Unknown", "whatever").plus("Accept", "*/*").plus("User-Agent", "suite (1; 2)"));
    accepted("cookies", "4.1", good.plus("Cookie", "a=b; c=d"));
    accepted("origin-of-the-host", "4.2.1, 10.2", good.plus("Origin", "http://{host}"));
    accepted("a-query", "3, 4.2.1", good.with_line("GET {target}?a=b&c=%20d HTTP/1.1"));
    accepted("fields-in-another-order", "4.1",
             {"GET {target} HTTP/1.1",
              {{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "{key}"}, {"Connection", "Upgrade"}, {"Upgrade", "websocket"},
               {"Host", "{host}"}}});
    accepted("unknown-subprotocols", "4.2.2", good.plus("Sec-WebSocket-Protocol", "nobody.knows.this, nor.this"));
    accepted("unknown-extension", "4.2.2, 9.1", good.plus("Sec-WebSocket-Extensions", "x-nobody-knows; this=1"));
    accepted("unknown-extensions-in-two-fields", "4.2.2, 9.1",
             good.plus("Sec-WebSocket-Extensions", "x-nobody-knows").plus("Sec-WebSocket-Extensions", "x-nor-this; a=\"b\"; c"));
    accepted("long-field", "RFC 7230 3.2.5", good.plus("X-Long", letters(2000)));
    accepted("twenty-more-fields", "RFC 7230 3.2.5", [&] {
        head many = good;
        for (int i = 0; i < 20; ++i) many = many.plus("X-Field-" + std::to_string(i), "value");
        return many;
    }());
    accepted("key-of-zeros", "4.2.1", good.with("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="));

    // "GET request", "HTTP version MUST be at least 1.1"
    add("wrong/method-post", "4.1, 4.2.1", good.with_line("POST {target} HTTP/1.1").plus("Content-Length", "0"), {refused({400, 405})});
    add("wrong/method-head", "4.1, 4.2.1", good.with_line("HEAD {target} HTTP/1.1"), {refused({400, 405})});
    add("wrong/method-put", "4.1, 4.2.1", good.with_line("PUT {target} HTTP/1.1").plus("Content-Length", "0"), {refused({400, 405})});
    add("wrong/method-unknown", "4.1, 4.2.1", good.with_line("WHATEVER {target} HTTP/1.1"), {refused({400, 405, 501})});
    add("wrong/http-1.0", "4.1, 4.2.1", good.with_line("GET {target} HTTP/1.0"), {refused({400, 426, 505})});
    add("wrong/http-0.9", "4.1, 4.2.1", good.with_line("GET {target} HTTP/0.9"), {refused({400, 426, 505}).or_else({no_frame})});
    add("wrong/no-http-version", "4.2.1", good.with_line("GET {target}"), {refused({400, 505}).or_else({no_frame, 200})});

    // Each of the fields that must be there.
    const step no_upgrade = refused({400, 426}).or_else({200});
    add("wrong/no-upgrade", "4.2.1", good.without("Upgrade"), {no_upgrade});
    add("wrong/empty-upgrade", "4.2.1", good.with("Upgrade", ""), {no_upgrade});
    add("wrong/upgrade-to-h2c", "4.2.1", good.with("Upgrade", "h2c"), {no_upgrade});
    add("wrong/upgrade-to-websockets", "4.2.1", good.with("Upgrade", "websockets"), {no_upgrade});
    add("wrong/no-connection", "4.2.1", good.without("Connection"), {no_upgrade});
    add("wrong/connection-close", "4.2.1", good.with("Connection", "close"), {no_upgrade});
    add("wrong/connection-keep-alive", "4.2.1", good.with("Connection", "keep-alive"), {no_upgrade});
    add("wrong/connection-upgrades", "4.2.1", good.with("Connection", "Upgrades"), {no_upgrade});
    add("wrong/no-host", "4.2.1, RFC 7230 5.4", good.without("Host"), {refused()});
    add("wrong/two-hosts", "RFC 7230 5.4", good.plus("Host", "elsewhere"), {refused()});
    add("wrong/no-key", "4.2.1", good.without("Sec-WebSocket-Key"), {refused()});
    add("wrong/empty-key", "4.2.1", good.with("Sec-WebSocket-Key", ""), {refused()});
    add("wrong/key-of-15-bytes", "4.2.1", good.with("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0O"), {refused()});
    add("wrong/key-of-17-bytes", "4.2.1", good.with("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODxA="), {refused()});
    add("wrong/key-of-32-bytes", "4.2.1", good.with("Sec-WebSocket-Key", base64(octets(32))), {refused()});
    add("wrong/key-without-padding", "4.2.1", good.with("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODw"), {refused()});
    add("wrong/key-no-base64", "4.2.1", good.with("Sec-WebSocket-Key", "!!!!!!!!!!!!!!!!!!!!!!=="), {refused()});
    // "The |Sec-WebSocket-Key| header field MUST NOT appear more than once in an HTTP request."
    add("wrong/two-keys", "11.3.1", good.plus("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODw=="), {refused()});

    // "a |Sec-WebSocket-Version| header field (or multiple ...) indicating the version(s) the server is capable of"
    const step other_version = refused({426, 400}).with_field("Sec-WebSocket-Version: 13");
    for (const char* version : {"0", "12", "14", "130", "255"})
        add(std::string("version/") + version, "4.2.2, 4.4", good.with("Sec-WebSocket-Version", version), {other_version});
    // A draft's that a server may speak beside 13.
    add("version/8", "4.2.2, 4.4", good.with("Sec-WebSocket-Version", "8"), {other_version.or_else({101})});
    add("version/none", "4.2.1", good.without("Sec-WebSocket-Version"), {refused({400, 426})});
    add("version/empty", "4.2.1", good.with("Sec-WebSocket-Version", ""), {refused({400, 426})});
    add("version/no-number", "4.2.1", good.with("Sec-WebSocket-Version", "thirteen"), {refused({400, 426})});
    add("version/13-and-8", "11.3.5", good.with("Sec-WebSocket-Version", "13, 8"), {refused({400, 426})});
    add("version/twice", "11.3.5", good.plus("Sec-WebSocket-Version", "8"), {refused({400, 426})});
    add("version/426-is-for-it", "4.4, RFC 7231 6.5.15", good.with("Sec-WebSocket-Version", "7"), {refused({426})});

    // "the recipient of such malformed data MUST immediately _Fail the WebSocket Connection_"; one that knows no extension
    // may not look at it.
    for (const auto& [name, value] : {std::pair("no-name", "; a=1"), {"blank-in-a-name", "x y"}, {"no-value", "x; a="},
                                      {"name-in-quotes", "x; \"a\"=1"}, {"quotes-that-do-not-end", "x; a=\"b"}})
        add(std::string("wrong/extension-") + name, "9.1", good.plus("Sec-WebSocket-Extensions", value), {refused()}).should();

    // What is no HTTP.
    const step no_http = refused({400, 431, 414, 501, 505}).or_else({no_frame});
    add("garbage/no-field", "RFC 7230 3",
        {.line = "", .fields = {}, .raw = "GET {target} HTTP/1.1\r\nthis is no field\r\n\r\n"}, {no_http});
    add("garbage/blank-in-a-name", "RFC 7230 3.2.4", good.plus("Up grade", "websocket"), {no_http});
    add("garbage/blank-before-the-colon", "RFC 7230 3.2.4", good.plus("X-Field ", "value"), {no_http});
    add("garbage/line", "RFC 7230 3.1", {.line = "", .fields = {}, .raw = "hello there\r\nHost: {host}\r\n\r\n"}, {no_http});
    add("garbage/a-frame", "4.2.1",
        {.line = "", .fields = {}, .raw = from_hex("81 85 01 02 03 04 49 67 6F 68 6E") + "\r\n\r\n"}, {no_http});
    add("garbage/control-in-a-value", "RFC 7230 3.2", good.plus("X-Field", std::string("a\0b", 3)), {no_http});

    // A body, which a handshake has not.
    add("wrong/transfer-encoding-and-length", "RFC 7230 3.3.3", good.plus("Transfer-Encoding", "chunked").plus("Content-Length", "5"),
        {refused()}).should();
}

} // namespace conformance
