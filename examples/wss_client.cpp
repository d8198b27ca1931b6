// A client over TLS. The server has to prove that it is whom the URL names: to an authority of this system or, where one is
// given, to that of a file.
//
//     ./wss_client wss://localhost:9443/echo ca.pem
#define WEIR_WITH_OPENSSL // link with -lssl -lcrypto
#include <weir.hpp>

#include <cstdio>

using namespace std::chrono_literals;

// [client]
weir::task<int> talk(const char* url, weir::tls_client& tls) {
    auto ws = co_await weir::connect(url, {.tls = &tls});
    if (!ws) co_return std::puts(ws.error().message().c_str()), 1; // which check failed, for which name
    co_await ws->send("hello");
    if (auto reply = co_await ws->read().within(1s)) std::puts(std::string(reply->text()).c_str());
    co_await ws->close();
    co_return 0;
}

int main(int argc, char** argv) {
    weir::tls_client tls({.authorities = {.file = argc > 2 ? argv[2] : ""}}); // without one, connect(url) would do
    return weir::run(talk(argc > 1 ? argv[1] : "wss://localhost:9443/echo", tls));
}
// [client]
