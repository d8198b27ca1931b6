// A stream of TLS owes its user what every stream owes: the same cases, over pipes in memory and TCP.
#include "certificates.hpp"

#include "../io/stream_contract.hpp"

namespace {

using namespace tests;

// Streams of the fixture, with TLS over them.
template <class Below>
class tls_over final : public Below {
public:
    stream_pair pair() override {
        stream_pair below = Below::pair();
        scheduler_of here(this->loop());
        tls_pair made = begin_tls(std::move(below), x_client, x_server);
        told client, server;
        made.client->observe(&client);
        made.server->observe(&server);
        weir::io::lease none;
        CHECK(made.server->fill(none) == weir::io::status::blocked);
        REQUIRE(this->until([&] {
            return made.client->connected() == weir::io::status::ready && made.server->connected() == weir::io::status::ready;
        }));
        for (int rounds = 0; rounds < 3; ++rounds) { // takes in the tickets
            CHECK(made.client->fill(none) == weir::io::status::blocked);
            this->loop().turn(std::chrono::milliseconds(1));
        }
        made.client->observe(nullptr);
        made.server->observe(nullptr);
        return {std::move(made.client), std::move(made.server)};
    }
    std::size_t overhead() const override { return 100; }

private:
    // Makes the loop the thread's, as while it turns.
    struct scheduler_of {
        explicit scheduler_of(weir::io::loop& which) : before(weir::scheduler::current()) { weir::scheduler::current() = &which; }
        scheduler_of(const scheduler_of&) = delete;
        ~scheduler_of() { weir::scheduler::current() = before; }
        weir::scheduler* before;
    };

    weir::tls_client x_client{credentials::common().trusting()};
    weir::tls_server x_server{credentials::common().serving()};
};

using over_memory = tls_over<memory_fixture>;
using over_tcp = tls_over<tcp_fixture>;

} // namespace

TEST_CASE_TEMPLATE("TLS: blocked, then told, then bytes", Fixture, over_memory, over_tcp) {
    tests::stream_contract::blocked_then_told<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: who is told that everything was lent need not ask again", Fixture, over_memory, over_tcp) {
    tests::stream_contract::drained<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: pieces come out in order, empty ones do no harm", Fixture, over_memory, over_tcp) {
    tests::stream_contract::pieces<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: a writer is held back, and told when there is room", Fixture, over_memory, over_tcp) {
    tests::stream_contract::held_back<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: megabytes both ways at once, exactly", Fixture, over_memory, over_tcp) {
    tests::stream_contract::megabytes<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: bytes go to the memory of whoever is in the middle of something long", Fixture, over_memory, over_tcp) {
    tests::stream_contract::filled_first<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: the end comes after the bytes, and the other direction stays open", Fixture, over_memory, over_tcp) {
    tests::stream_contract::ends<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: destroyed, it ends after its bytes", Fixture, over_memory, over_tcp) {
    tests::stream_contract::destroyed<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: a reset breaks both ends", Fixture, over_memory, over_tcp) {
    tests::stream_contract::reset<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: a reader that is not reading is told of a broken connection", Fixture, over_memory, over_tcp) {
    tests::stream_contract::told_unasked<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: a lease may be kept, changed, and outlive a reset", Fixture, over_memory, over_tcp) {
    tests::stream_contract::kept_lease<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: destroyed while another one's observer is told", Fixture, over_memory, over_tcp) {
    tests::stream_contract::destroyed_meanwhile<Fixture>();
}
TEST_CASE_TEMPLATE("TLS: no news of a dead stream reaches its successor", Fixture, over_memory, over_tcp) {
    tests::stream_contract::successor<Fixture>();
}
