// Is in the room of every_transport.cpp and stays there, over whatever the network lets through. Arguments: the URL, a name, and
// how many messages to say, one a second; 0 for only listening.
#include <weir.hpp>

#include <cstdio>
#include <cstdlib>

using namespace std::chrono_literals;

weir::task<> say(weir::client_channel& room, std::string name, int count) {
    for (int i = 1; i <= count && room.is_open(); ++i) {
        co_await room.send(name + " says " + std::to_string(i)); // waits in the channel while nothing carries it
        auto slept = co_await weir::sleep(1s);
        if (!slept) co_return;
    }
    if (count > 0) co_await room.close();
}

// [stay]
weir::task<int> stay(std::string url, std::string name, int count) {
    for (bool again = false;; again = true) {
        auto room = co_await weir::open(url, {.timeout = 5min, .insist = again});
        if (!room) co_return std::puts(room.error().message().c_str()), 1;
        weir::scope talking;
        talking.spawn(say, std::ref(*room), name, count);
        while (auto message = co_await room->read()) {
            const std::string text(message->text()), by(weir::to_text(room->transport()));
            std::printf("%s (by %s)\n", text.c_str(), by.c_str());
        }
        talking.cancel();
        co_await talking.join();
        const weir::close_info end = room->closed();
        if (end.error != weir::errc::session_lost && end.code != weir::ws::close_code::going_away) co_return 0;
        std::printf("%s; %zu messages may be lost\n", end.message().c_str(), room->unacknowledged().size());
    }
}
// [stay]

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    return weir::run(stay(argc > 1 ? argv[1] : "http://localhost:9001/chat", argc > 2 ? argv[2] : "somebody",
                          argc > 3 ? std::atoi(argv[3]) : 5));
}
