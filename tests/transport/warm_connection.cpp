// A program of its own, since it replaces operator new and the system calls of sockets: a warm connection allocates
// nothing and creates no coroutine frame, over 10,000 messages of each size, and fewer that are compressed if zlib is
// there; what is sent in one turn leaves in one call, and a turn has at most one receive and one send for each connection,
// plus one for each payload of 16 KiB and more. Exit code 77, which means skipped, under AddressSanitizer, where neither
// blocks nor frames are recycled on purpose.
#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/backend_choice.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/memory.hpp>
#include <weir/transport/websocket.hpp>
#if defined(WEIR_WITH_ZLIB)
#include <weir/protocol/ws/deflate.hpp>
#endif

#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

long allocations = 0;

// Calls on one descriptor in one turn.
struct calls {
    std::uint64_t turn = 0;
    int receives = 0, sends = 0;
};
calls per_descriptor[64];
int most_receives = 0, most_sends = 0;
long all_sends = 0;
weir::io::loop* running = nullptr;

calls& count(int descriptor) {
    calls& here = per_descriptor[descriptor & 63];
    const std::uint64_t turn = running ? running->turn_number() : 0;
    if (here.turn != turn) here = {turn, 0, 0};
    return here;
}
void count_send(int descriptor) {
    calls& here = count(descriptor);
    ++all_sends;
    if (++here.sends > most_sends) most_sends = here.sends;
}

} // namespace

[[gnu::noinline]] void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* memory = std::malloc(bytes)) return memory;
    std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

extern "C" ssize_t recv(int descriptor, void* into, std::size_t size, int flags) {
    calls& here = count(descriptor);
    if (++here.receives > most_receives) most_receives = here.receives;
    return ::syscall(SYS_recvfrom, descriptor, into, size, flags, nullptr, nullptr);
}
extern "C" ssize_t send(int descriptor, const void* from, std::size_t size, int flags) {
    count_send(descriptor);
    return ::syscall(SYS_sendto, descriptor, from, size, flags, nullptr, 0);
}
extern "C" ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
    count_send(descriptor);
    return ::syscall(SYS_sendmsg, descriptor, message, flags);
}

namespace {

using namespace weir;

bool failed = false;
void check(bool good, const char* what, std::size_t size, std::string_view backend, long found) {
    if (good) return;
    failed = true;
    std::printf("%s, %zu bytes, over %.*s: %ld\n", what, size, static_cast<int>(backend.size()), backend.data(), found);
}

task<> echo(websocket& ws) {
    while (auto got = co_await ws.read()) co_await ws.send(*got);
}

task<> talk(websocket& ws, std::size_t size, int messages, long& steady) {
    const std::string payload(size, 'x');
    for (int i = 0; i < messages; ++i) {
        if (i == 100) {
            steady = allocations;
            most_receives = most_sends = 0;
        }
        co_await ws.send(std::string_view(payload));
        auto got = co_await ws.read();
        if (!got || got->size() != size) std::abort();
    }
    steady = allocations - steady;
}

// What is sent in one turn, by several coroutines.
task<> send_some(websocket& ws) {
    for (int i = 0; i < 10; ++i) co_await ws.send("small");
}
task<> burst(websocket& ws) {
    ws.ping();
    scope senders;
    const long before = all_sends;
    for (int i = 0; i < 5; ++i) senders.spawn(send_some(ws));
    co_await senders.join();
    for (int i = 0; i < 5; ++i) (void)co_await yield();
    ws.ping();
    check(all_sends == before, "sends before the end of the turn", 5, "epoll", all_sends - before);
    auto echoed = co_await ws.read();
    if (!echoed) std::abort();
    check(most_sends <= 1, "sends in a turn", 5, "epoll", most_sends);
    for (int i = 1; i < 50; ++i) {
        auto got = co_await ws.read();
        if (!got) std::abort();
    }
}

task<> run(websocket server, websocket client, std::size_t size, int messages, std::string_view name) {
    scope work;
    work.spawn(echo(server));
    long steady = -1;
    co_await talk(client, size, messages, steady);
    check(steady == 0, "allocations", size, name, steady);
    if (name == "epoll") {
        // A turn may see the end of one message and the beginning of the next one's sending.
        check(most_receives <= 1, "receives in a turn", size, name, most_receives);
        check(most_sends <= (size >= 16 * 1024 ? 2 : 1), "sends in a turn", size, name, most_sends);
        most_sends = 0;
        co_await burst(client);
    }
    co_await client.close();
    co_await work.join();
}

std::pair<owned<io::stream>, owned<io::stream>> connected(io::loop& loop, io::memory* network) {
    if (network) return network->pair();
    int numbers[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, numbers) != 0) std::abort();
    auto a = loop.events().adopt_stream(numbers[0]);
    auto b = loop.events().adopt_stream(numbers[1]);
    return {std::move(*a), std::move(*b)};
}

// What `options` say about compression is what both sides have agreed upon.
[[maybe_unused]] void agree(websocket& server, websocket& client, const compression_choice& by) {
    http::fields request, response;
    if (!by.method() || !request.add("Sec-WebSocket-Extensions", by.method()->offer(by.options()))) return;
    auto accepted = by.method()->accept(request, by.options());
    if (!accepted || !response.add("Sec-WebSocket-Extensions", accepted->agreed())) std::abort();
    auto confirmed = by.method()->confirm(response, by.options());
    server.compress(std::move(accepted));
    client.compress(std::move(confirmed.value()));
}

[[maybe_unused]] void try_size(bool in_memory, std::size_t size, const compression_choice& compressed = {}) {
    io::memory* network = nullptr;
    owned<io::backend> events;
    if (in_memory) {
        network = new io::memory;
        events.reset(network);
    } else {
        auto made = io::make_backend();
        if (!made) std::abort();
        events = std::move(*made);
    }
    io::loop loop(std::move(events));
    running = &loop;
    auto both = connected(loop, network);
    const connection_environment around{loop, loop.blocks(), loop.random()};
    auto options = shared<const websocket_options>::make(websocket_options{.compression = compressed});
    websocket server(ws::role::server, std::move(both.first), {}, {}, around, options);
    websocket client(ws::role::client, std::move(both.second), {}, {}, around, options);
    agree(server, client, compressed);
    loop.run(run(std::move(server), std::move(client), size, compressed.method() ? 600 : 5100, loop.events().name()));
    running = nullptr;
}

} // namespace

int main() {
#if defined(WEIR_DETAIL_ADDRESS_SANITIZER)
    std::puts("under AddressSanitizer memory is not recycled, on purpose");
    return 77;
#else
    for (const bool in_memory : {false, true})
        for (const std::size_t size : {16, 1024, 16 * 1024, 64 * 1024}) {
            try_size(in_memory, size);
#if defined(WEIR_WITH_ZLIB)
            try_size(in_memory, size, permessage_deflate); // borrows its states
            try_size(in_memory, size, permessage_deflate({.context_takeover = true, .peer_context_takeover = true}));
#endif
        }
    return failed;
#endif
}
