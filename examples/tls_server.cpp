// An echo over TLS, for wss:// and https://. For a try:
//
//     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost
//         -addext subjectAltName=DNS:localhost -out chain.pem -keyout key.pem
//     ./tls_server 9443 chain.pem key.pem
//     ./wss_client wss://localhost:9443/echo chain.pem
#define WEIR_WITH_OPENSSL // link with -lssl -lcrypto
#include <weir.hpp>

#include <cstdio>
#include <cstdlib>

using namespace std::chrono_literals;

weir::task<> echo(weir::websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}

// [server]
// Who connects from then on gets the new certificate; who is connected keeps what it has.
weir::task<> renew(weir::tls_server& tls) {
    while (auto slept = co_await weir::sleep(1h)) {
        const auto loaded = tls.reload();
        if (!loaded) std::printf("still with the old certificate: %s\n", loaded.error().message().c_str());
    }
}

int main(int argc, char** argv) {
    const char* const chain = argc > 2 ? argv[2] : "chain.pem";
    const char* const key = argc > 3 ? argv[3] : "key.pem";
    weir::tls_server tls({.certificate = {.chain_file = chain, .key_file = key}});
    weir::server server;
    server.websocket("/echo", echo);
    server.get("/", "Hello over TLS.\n");
    server.spawn(renew(tls));
    return server.run({.port = argc > 1 ? std::atoi(argv[1]) : 9443, .tls = &tls, .log = weir::print_log});
}
// [server]
