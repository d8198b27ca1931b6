// The idioms that weir promises: right on every compiler at every level. Prints what is not and exits with 1.
#include "task.hpp"

#include <cstdio>
#include <span>
#include <string_view>
#include <type_traits>

namespace {

// What a read gives: a value with a destructor, or nothing.
struct outcome {
    bool there = false;
    counted value;
    explicit operator bool() const { return there; }
    const counted& operator*() const { return value; }
};

struct settings {
    int timeout = 10;
    std::string_view name = {};
    std::span<const int> ports = {};
};
static_assert(std::is_trivially_copyable_v<settings> && std::is_trivially_destructible_v<settings>);

// Reads `left` messages, every second one only after having been suspended; an awaiter is one reference.
struct mock_socket {
    int left = 0;
    int sent = 0;
    bool suspend_next = false;
    std::coroutine_handle<> waiting = nullptr;

    struct read_awaiter {
        mock_socket& socket;
        bool await_ready() noexcept { return !(socket.suspend_next = !socket.suspend_next); }
        void await_suspend(std::coroutine_handle<> who) noexcept { socket.waiting = who; }
        outcome await_resume() {
            if (socket.left == 0) return {false, counted(0)};
            return {true, counted(socket.left--)};
        }
        read_awaiter within(int) { return *this; }
    };
    struct send_awaiter {
        mock_socket& socket;
        int number;
        bool await_ready() noexcept { return true; }
        void await_suspend(std::coroutine_handle<>) noexcept {}
        int await_resume() noexcept { return socket.sent += number; }
    };

    read_awaiter read() { return {*this}; }
    send_awaiter send(const counted& message) { return {*this, message.number}; }
    send_awaiter send(int message, settings with = {}) { return {*this, message + with.timeout}; }
};

// Resumes what waits for the socket until the whole is done; -1 when nothing waits and it is not.
int drive(task<int> whole, mock_socket& socket) {
    whole.start();
    while (!whole.done()) {
        if (!socket.waiting) return -1;
        std::exchange(socket.waiting, nullptr).resume();
    }
    return whole.value();
}

task<int> echo(mock_socket& ws) {
    while (auto message = co_await ws.read())
        co_await ws.send(*message);
    co_return ws.sent;
}

task<int> one_reply(mock_socket& ws) {
    if (auto reply = co_await ws.read().within(1)) co_return reply.value.number;
    co_return 0;
}

task<int> connect(std::string_view url, settings with = {}) {
    co_return with.timeout + static_cast<int>(url.size() + with.name.size() + with.ports.size());
}

task<int> designated(mock_socket& ws) {
    const int ports[] = {1, 2, 3};
    const int all = co_await connect("12345", {.timeout = 100, .name = "1234567", .ports = ports});
    const int some = co_await connect("1", {.timeout = 1000});
    co_await ws.send(1, {.timeout = 10000});
    co_return all + some + ws.sent;
}

task<int> defaulted(mock_socket& ws) {
    const int plain = co_await connect("123");
    co_await ws.send(1);
    co_return plain + ws.sent;
}

task<int> registered(mock_socket& ws) {
    counted kept(5);
    auto handler = [kept](mock_socket& socket) -> task<int> {
        while (auto message = co_await socket.read()) co_await socket.send(*message);
        co_return socket.sent + kept.number;
    };
    const int result = co_await handler(ws);
    co_return result;
}

int check(const char* what, int is, int expected) {
    if (is == expected && counted::living == 0) return 0;
    std::printf("WRONG: %s: %d instead of %d, %d values alive instead of 0\n", what, is, expected, counted::living);
    counted::living = 0;
    return 1;
}

template <class Coroutine>
int check(const char* what, Coroutine coroutine, int messages, int expected) {
    mock_socket socket;
    socket.left = messages;
    const int is = drive(coroutine(socket), socket);
    return check(what, is, expected);
}

} // namespace

int main() {
    int wrong = 0;
    wrong += check("the loop of an echo handler", echo, 100, 5050);
    wrong += check("the same without a message", echo, 0, 0);
    wrong += check("a reply in a condition", one_reply, 7, 7);
    wrong += check("no reply in a condition", one_reply, 0, 0);
    wrong += check("designated initialisers", designated, 0, 100 + 5 + 7 + 3 + 1000 + 1 + 10001);
    wrong += check("defaulted options", defaulted, 0, 10 + 3 + 11);
    wrong += check("a handler with a capture, named before", registered, 4, 15);
    return wrong ? 1 : 0;
}
