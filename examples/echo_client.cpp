// Says hello to an echo server and prints what comes back. The first argument is the URL.
#include <weir.hpp>

using namespace std::chrono_literals;

weir::task<int> talk(const char* url) {
    auto ws = co_await weir::connect(url);
    if (!ws) co_return std::puts(ws.error().message().c_str()), 1;
    co_await ws->send("hello");
    if (auto reply = co_await ws->read().within(1s)) std::puts(std::string(reply->text()).c_str());
    co_await ws->close();
    co_return 0;
}

int main(int argc, char** argv) { return weir::run(talk(argc > 1 ? argv[1] : "ws://localhost:9001/echo")); }
