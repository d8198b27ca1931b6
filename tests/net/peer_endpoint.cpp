#include "network.hpp"

TEST_CASE("peer_endpoint: who is at the other end") {
    const std::string path = "/tmp/weir_test_" + std::to_string(::getpid()) + "_peer";
    auto work = [&]() -> task<> {
        for (const std::string& at : {std::string("127.0.0.1:0"), "unix:" + path}) {
            CAPTURE(at);
            result<net::listener> listener = net::listen(*endpoint::parse(at));
            REQUIRE(listener);
            const stream_result client = co_await net::connect(listener->local_endpoint());
            REQUIRE(client);
            const stream_result server = co_await listener->accept();
            REQUIRE(server);
            CHECK(net::peer_endpoint(**client) == listener->local_endpoint());
            const endpoint peer = net::peer_endpoint(**server);
            CHECK(peer.is_loopback());
            if (peer.family() == net::family::local)
                CHECK(peer.to_string() == "unix:"); // who connects has no name
            else
                CHECK(peer == net::detail::ask_address((*client)->descriptor(), net::detail::ask_local));
            (*server)->reset();
            CHECK_FALSE(net::peer_endpoint(**server));
        }
    };
    run_on(make_sockets(), work());
}

TEST_CASE("peer_endpoint: a stream without a descriptor") {
    io::memory network;
    const auto both = network.pair();
    CHECK_FALSE(net::peer_endpoint(*both.first));
}
