// Many channels in the room of examples/every_transport, for tests/load/channels.py: load_channels URL COUNT SPEAKERS opens COUNT over
// each transport; when all are there, SPEAKERS of each kind say a line; each channel has to hear every line once, all of
// them in the same order. Prints what is wrong, and exits with 1 if anything was.
#include <weir/client/open.hpp>
#include <weir/coro/event.hpp>
#include <weir/coro/scope.hpp>
#include <weir/io/run.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace std::chrono_literals;

namespace {

using weir::task;

struct gathering {
    std::string url;
    std::size_t channels = 0, lines = 0;    // that there are going to be
    std::size_t there = 0;                  // channels that are open
    weir::event complete;                   // all are
    std::vector<std::string> order;         // of the lines, as whoever was first has heard them
    std::size_t heard = 0;                  // by all together
    int failures = 0;

    void fail(std::string_view who, std::string_view what) {
        if (++failures <= 20) std::printf("%.*s: %.*s\n", int(who.size()), who.data(), int(what.size()), what.data());
    }
};

task<> take_part(gathering& of, weir::transport_kind kind, std::size_t number, bool speaks) {
    const std::string name = std::string(weir::to_text(kind)) + ' ' + std::to_string(number);
    const weir::open_options how{.transports = {&kind, 1}, .timeout = 60s, .interval = 200ms};
    auto chat = co_await weir::open(of.url, how);
    if (!chat) {
        of.fail(name, chat.error().message());
        of.complete.set();
        co_return;
    }
    if (++of.there == of.channels) of.complete.set();
    (void)co_await of.complete.wait();
    if (speaks) co_await chat->send(name + " is here");
    for (std::size_t i = 0; i < of.lines; ++i) {
        const auto line = co_await chat->read().within(60s);
        if (!line) {
            of.fail(name, "heard " + std::to_string(i) + " lines: " + line.error().message());
            co_return;
        }
        if (of.order.size() == i) of.order.emplace_back(line->text());
        if (line->text() != of.order[i]) of.fail(name, "not the others' line " + std::to_string(i) + ": " + std::string(line->text()));
        ++of.heard;
    }
    if (chat->transport() != kind) of.fail(name, "went over to another transport");
    (void)co_await chat->close();
    if (chat->closed().cause != weir::close_cause::local) of.fail(name, chat->closed().message());
    if (!chat->unacknowledged().empty()) of.fail(name, "what it said was not acknowledged");
}

task<int> gather(std::string url, std::size_t count, std::size_t speakers) {
    gathering all;
    all.url = std::move(url);
    all.channels = count * std::size(weir::every_transport);
    all.lines = speakers * std::size(weir::every_transport);
    {
        weir::scope members;
        for (std::size_t i = 0; i < count; ++i)
            for (const weir::transport_kind kind : weir::every_transport) members.spawn(take_part(all, kind, i, i < speakers));
        co_await members.join();
    }
    std::vector<std::string> once = all.order;
    std::sort(once.begin(), once.end());
    if (std::unique(once.begin(), once.end()) != once.end()) all.fail("somebody", "a line came twice");
    std::printf("%zu channels, %zu lines: heard %zu times of %zu\n", all.channels, all.lines, all.heard, all.channels * all.lines);
    co_return all.failures > 0 || all.heard != all.channels * all.lines;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) return std::puts("usage: load_channels URL COUNT SPEAKERS"), 2;
    return weir::run(gather(argv[1], std::strtoul(argv[2], nullptr, 10), std::strtoul(argv[3], nullptr, 10)));
}
