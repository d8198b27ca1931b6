// A backend that makes no streams, for tests of a loop that need none: they say how it waits, and what the time is.
#pragma once

#include <weir/io/backend.hpp>

namespace tests {

class no_sockets : public weir::io::backend {
public:
    std::string_view name() const noexcept override { return "scripted"; }
    weir::result<weir::owned<weir::io::stream>> connect(weir::bytes_view) override { return weir::errc::unsupported; }
    weir::result<weir::owned<weir::io::acceptor>> listen(weir::bytes_view, const weir::io::listen_options&) override {
        return weir::errc::unsupported;
    }
    weir::result<weir::owned<weir::io::stream>> adopt_stream(int) override { return weir::errc::unsupported; }
    weir::result<weir::owned<weir::io::acceptor>> adopt_acceptor(int) override { return weir::errc::unsupported; }
};

} // namespace tests
