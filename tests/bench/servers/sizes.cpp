// Prints, as a line of JSON, how large a connection's object is and how large the frame of the echo handler.
#include <weir.hpp>

#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

std::size_t last_allocated = 0;

weir::task<> echo(weir::websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}

} // namespace

void* operator new(std::size_t bytes) {
    last_allocated = bytes;
    return std::malloc(bytes);
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

int main() {
    alignas(weir::websocket) unsigned char nobody[sizeof(weir::websocket)] = {};
    const auto handler = echo(reinterpret_cast<weir::websocket&>(nobody)); // does not begin to run
    std::printf("{\"connection\": %zu, \"frame\": %zu}\n", sizeof(weir::detail::connection_core), last_allocated);
}
