// Accepting a connection allocates its stream and nothing else.
#include <weir/coro/scope.hpp>
#include <weir/io/backend_choice.hpp>
#include <weir/io/loop.hpp>
#include <weir/net/listen.hpp>

#include <cstdio>
#include <cstdlib>
#include <new>

namespace {
std::size_t allocations = 0;
}

[[gnu::noinline]] void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* const made = std::malloc(bytes)) return made;
    std::abort();
}
[[gnu::noinline]] void operator delete(void* what) noexcept { std::free(what); }
[[gnu::noinline]] void operator delete(void* what, std::size_t) noexcept { std::free(what); }

using namespace weir;

namespace {

constexpr int connections = 100;

// Blocking clients, so that nothing but accepting allocates.
void connect_all(const net::endpoint& to, io::unique_descriptor (&clients)[connections]) {
    for (io::unique_descriptor& each : clients) {
        each = io::unique_descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const bytes_view at = to.bytes();
        if (::connect(each.get(), reinterpret_cast<const sockaddr*>(at.data()), static_cast<socklen_t>(at.size())) != 0)
            std::abort();
    }
}

struct outcome {
    int accepted = 0;
    std::size_t allocated = 0;
};

task<> accept_all(net::listener* from, outcome* into) {
    owned<io::stream> streams[connections];
    for (owned<io::stream>& each : streams) {
        const std::size_t before = allocations;
        auto accepted = co_await from->accept();
        if (!accepted) co_return;
        each = std::move(*accepted);
        into->allocated += allocations - before;
        ++into->accepted;
    }
}

task<int> check() {
    result<net::listener> listener = net::listen("127.0.0.1", 0);
    if (!listener) co_return 1;
    io::unique_descriptor clients[connections];
    outcome found;
    scope accepting;
    accepting.spawn(accept_all(&*listener, &found)); // begins when this coroutine waits
    connect_all(listener->local_endpoint(), clients);
    co_await accepting.join();
    std::printf("%d connections, %zu allocations\n", found.accepted, found.allocated);
    co_return found.accepted == connections && found.allocated == connections ? 0 : 1;
}

} // namespace

int main() { return io::loop(std::move(*io::make_backend())).run(check()); }
