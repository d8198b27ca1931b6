// Follows a feed, that of ticker.cpp for instance, and stays with it: over servers that restart and networks that come and go.
// Arguments: the URL, and how many messages to print; without that number, all.
//
//     ./reconnecting_feed ws://localhost:9001/ 10
#define WEIR_WITH_RECONNECTING
#include <weir.hpp>

#include <cstdio>
#include <cstdlib>

using namespace std::chrono_literals;

// [follow]
// Whether to try again: as weir would, but no more than 20 times in a row.
bool is_worth_it(void*, const weir::setback& of) { return of.worthwhile && of.failures <= 20; }

weir::task<int> follow(std::string url, int most) {
    weir::reconnecting feed(url, {.longest_delay = 10s, .decide = {is_worth_it}, .log = weir::print_log});
    int count = 0;
    while (auto ws = co_await feed.next()) { // a connected websocket, or false: there will be none any more
        while (auto message = co_await ws->read()) {
            std::printf("%s\n", std::string(message->text()).c_str());
            if (++count == most) feed.stop(); // also from elsewhere, and at any moment
        }
    }
    if (most > 0 && count >= most) co_return 0;
    std::printf("%s\n", feed.last_error().message().c_str());
    co_return 1;
}
// [follow]

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    return weir::run(follow(argc > 1 ? argv[1] : "ws://localhost:9001/", argc > 2 ? std::atoi(argv[2]) : 0));
}
