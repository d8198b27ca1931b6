// A client behind a proxy: says something to an echo server, and prints what comes back. Arguments: the URL, and that of the proxy;
// without one it is as http_proxy, https_proxy, all_proxy and no_proxy of the environment say.
//
//     ./proxy_client ws://localhost:9001/echo socks5://user:password@localhost:1080
#define WEIR_WITH_PROXY
#include <weir.hpp>

#include <cstdio>

using namespace std::chrono_literals;

// [through]
weir::task<weir::result<weir::websocket>> through(std::string url, std::string by) {
    weir::connect_refusal said;
    weir::connect_options how{.timeout = 5s, .refusal = &said, .redirects = 3};
    how.proxy = by.empty() ? weir::proxy_of_environment() : weir::proxy(by);
    auto ws = co_await weir::connect(url, how);
    if (!ws) {
        std::printf("%s\n", ws.error().message().c_str()); // what was being done and where: by the proxy, or by the server
        if (ws.error() == weir::errc::proxy_unauthorized) std::printf("give a user and a password: http://user:password@proxy\n");
        if (!said.body.empty()) std::printf("it said: %s\n", said.body.c_str());
    }
    co_return ws;
}
// [through]

weir::task<int> talk(std::string url, std::string by) {
    auto ws = co_await through(url, by);
    if (!ws) co_return 1;
    co_await ws->send("hello");
    auto reply = co_await ws->read().within(1s);
    if (reply) std::printf("%s\n", std::string(reply->text()).c_str());
    co_await ws->close();
    co_return reply ? 0 : 1;
}

int main(int argc, char** argv) {
    return weir::run(talk(argc > 1 ? argv[1] : "ws://localhost:9001/echo", argc > 2 ? argv[2] : ""));
}
