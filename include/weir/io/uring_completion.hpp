// io_uring's completion mode: the kernel receives and sends by itself, and says when it has. <weir/io/uring.hpp> brings it.
//
//     weir::run(talk(), {.backend = weir::io::uring_completion::make});      // or WEIR_BACKEND=io_uring-completion
//
// One submission for each socket receives until further notice, into a ring of buffers that all share and that are lent
// out as they are. What is written in a turn leaves with the wait that follows, one call for all connections together; the
// bytes of a program that stops turning its loop wait for the stream to be closed. The end of the backend resets what still
// lingers then (io/uring_socket.hpp).
//
// Large messages are not copied more than in poll mode: 16 KiB and more are sent by a call of their own, out of the buffer that
// they were received into. `tests/bench/run cpu` has it beside bare servers: 0.55 to 0.85 of poll mode's processor time for
// 128 bytes on many connections, about the same for 16 KiB.
#pragma once

#include <weir/io/socket_calls.hpp>
#include <weir/io/socket_setup.hpp>
#include <weir/io/uring_acceptor.hpp>

#include <sys/utsname.h>

namespace weir::inline v0::io {

class uring_completion final : public backend {
public:
    static result<owned<backend>> make() { return make(uring_options()); }

    // Fails where io_uring is forbidden, missing or too old, and when the process is out of descriptors or memory.
    [[gnu::cold]] static result<owned<backend>> make(const uring_options& options) {
        auto* const made = new uring_completion(as_kernel_does(options));
        owned<backend> owner(made);
        uring_driver& driver = made->x_driver;
        if (result<> ready = driver.ring.set_up(); !ready) return ready.error();
        const int failed = driver.buffers.set_up(*driver.ring.get(), options.buffers, options.buffer_bytes);
        if (failed) return error(std::error_code(failed, std::system_category()), "io_uring: the ring of buffers (it takes 5.19)");
        return owner;
    }

    ~uring_completion() { x_driver.shut_down(); }

    std::string_view name() const noexcept override { return "io_uring-completion"; }

    // Which of the options this kernel has given.
    const uring_options& features() const noexcept { return x_driver.options(); }

    result<owned<stream>> connect(bytes_view address) override {
        const socket_setup::address_copy to(address);
        if (!to.size) return errc::bad_address;
        const bool by_ring = x_driver.ring.started() && to.bytes.ss_family != AF_UNIX; // those never take time
        unique_descriptor socket(::socket(to.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | (by_ring ? 0 : SOCK_NONBLOCK), 0));
        if (!socket) return last_error();
        if (!by_ring) { // by us, and the ring waits for it
            const bool done = ::connect(socket.get(), to.get(), to.size) == 0;
            if (!done && errno != EINPROGRESS && errno != EINTR) return last_error();
            if (!socket_setup::set_flags(socket.get(), true)) return last_error();
            if (done) return uring_stream::make(x_driver, std::move(socket));
        }
        owned<stream> made = uring_stream::make(x_driver, std::move(socket), to.get(), by_ring ? to.size : 0);
        x_driver.hand_over();
        return made;
    }

    [[gnu::cold]] result<owned<acceptor>> listen(bytes_view address, const listen_options& options) override {
        unique_descriptor socket;
        if (const std::error_code failed = socket_setup::listen(address, options, socket)) return failed;
        return uring_acceptor::make(x_driver, std::move(socket), true);
    }

    result<owned<stream>> adopt_stream(int number) override {
        unique_descriptor socket(number);
        if (!socket_setup::set_flags(number, true)) return last_error();
        return uring_stream::make(x_driver, std::move(socket));
    }

    result<owned<acceptor>> adopt_acceptor(int number) override {
        unique_descriptor socket(number);
        if (!socket_setup::set_flags(number, false)) return last_error();
        return uring_acceptor::make(x_driver, std::move(socket), false);
    }

    bool wait(std::chrono::nanoseconds timeout) noexcept override { return x_driver.wait(timeout); }
    bool dispatch() noexcept override { return x_driver.tell_some(told_at_once); }
    void wake() noexcept override { x_driver.ring.wake(); }
    std::chrono::nanoseconds now() noexcept override { return socket_calls::now(); }

    int descriptor() noexcept override {
        x_driver.at_once();
        return x_driver.ring.descriptor();
    }

private:
    static constexpr int told_at_once = 4;

    // What kernels accept and do wrong: until 6.6 a multishot receive may take all buffers at once, or end without reason.
    [[gnu::cold]] static uring_options as_kernel_does(uring_options wish) noexcept {
        utsname kernel;
        unsigned major = 0, minor = 0;
        if (::uname(&kernel) == 0) (void)std::sscanf(kernel.release, "%u.%u", &major, &minor);
        if (major < 6 || (major == 6 && minor < 6)) wish.multishot_receive = false;
        return wish;
    }

    explicit uring_completion(const uring_options& options) noexcept : x_driver(options, blocks()) {}

    uring_driver x_driver;
};

} // namespace weir::inline v0::io
