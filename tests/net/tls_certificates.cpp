// Which certificates are believed, and what is said of those that are not.
#include "certificates.hpp"

#include <weir/coro/scope.hpp>
#include <weir/net/secure.hpp>

using namespace weir;
using tests::certificate;
using tests::credentials;

namespace {

// Shakes hands in a loop of its own. What the client made of it, and what the server did.
struct verdict {
    result<> client;
    error server;
    bool resumed = false;
};

task<> serve(owned<io::stream> server, verdict& of) {
    io::stream_signal signal(*server);
    for (;;) {
        io::lease some;
        const io::status came = server->fill(some);
        server->release(std::move(some));
        if (came == io::status::failed) of.server = error(server->failure(), server->failure_detail());
        if (came == io::status::failed || came == io::status::end) co_return;
        if (came == io::status::ready) continue;
        const auto news = co_await signal.readable();
        if (!news) co_return;
    }
}

// Where the server finds out later than the client, who takes it for done, the client hears of it when it reads.
task<> talk(owned<io::stream> client, std::string host, tls_client& by, verdict& of) {
    result<owned<io::stream>> secured = co_await net::secure(std::move(client), host, 443, &by);
    if (!secured) {
        of.client = secured.error();
        co_return;
    }
    of.resumed = static_cast<net::tls_stream&>(**secured).is_resumed();
    (*secured)->shutdown_write();
    io::stream_signal signal(**secured);
    for (;;) {
        io::lease some;
        const io::status came = (*secured)->fill(some);
        (*secured)->release(std::move(some));
        if (came == io::status::failed) of.client = error((*secured)->failure(), (*secured)->failure_detail());
        if (came == io::status::failed || came == io::status::end) co_return;
        if (came == io::status::ready) continue;
        const auto news = co_await signal.readable().within(std::chrono::seconds(1));
        if (!news) co_return;
    }
}

task<> both(tests::memory_loop& loop, tls_client& client, tls_server& server, std::string host, verdict& of) {
    auto below = loop.network().pair();
    scope all;
    all.spawn(serve(server.begin(std::move(below.second)), of));
    all.spawn(talk(std::move(below.first), host, client, of));
    co_await all.join();
}

verdict shake(tls_client& client, tls_server& server, const std::string& host = "localhost") {
    REQUIRE_MESSAGE(server.check(), server.check().error().message());
    tests::memory_loop loop;
    verdict of;
    loop.run(both(loop, client, server, host, of));
    return of;
}

verdict shake(const tls_client_options& client, const tls_server_options& server, const std::string& host = "localhost") {
    tls_client client_side(client);
    tls_server server_side(server);
    return shake(client_side, server_side, host);
}

bool matches(std::string_view text, std::string_view pattern) { // with one '*' at the most
    const std::size_t star = pattern.find('*');
    if (star == pattern.npos) return text == pattern;
    return text.size() + 1 >= pattern.size() && text.starts_with(pattern.substr(0, star)) && text.ends_with(pattern.substr(star + 1));
}

constexpr long day = 24 * 3600;

} // namespace

TEST_CASE("certificates of servers, and what is said of those that are not believed") {
    const certificate root({.name = "Root", .hosts = "", .authority = true});
    const certificate stranger({.name = "Stranger", .hosts = "", .authority = true});
    const certificate old_root({.name = "Old root", .hosts = "", .from = -9 * day, .to = -8 * day, .authority = true});
    const certificate lazy({.name = "Lazy", .hosts = "", .authority = true}), by_lazy({.by = &lazy});
    const certificate middle({.name = "Middle", .hosts = "", .authority = true, .by = &root});
    const certificate fallen({.name = "Fallen", .hosts = "", .authority = true, .by = &root}), by_fallen({.by = &fallen});
    const certificate no_authority({.name = "No authority", .by = &root});
    const certificate right({.by = &root}), below_middle({.by = &middle}), self, by_stranger({.by = &stranger}), by_old({.by = &old_root});
    const certificate expired({.from = -9 * day, .to = -8 * day, .by = &root}), early({.from = day, .to = 2 * day, .by = &root});
    const certificate elsewhere({.hosts = "DNS:a.example,DNS:*.b.example,IP:192.0.2.1,DNS:c,DNS:d,DNS:e", .by = &root});
    const certificate nowhere({.hosts = "", .by = &root}), wild({.hosts = "DNS:*.example.com", .by = &root});
    const certificate partly({.hosts = "DNS:w*.example.com", .by = &root}), six({.hosts = "IP:::1", .by = &root});
    const certificate taken_back({.by = &root}), for_clients({.by = &root, .uses = "clientAuth"}), by_none({.by = &no_authority});
    const certificate gate({.name = "Gate", .hosts = "", .authority = true, .by = &root, .uses = "clientAuth"}), by_gate({.by = &gate});
    const certificate vicious({.name = "Evil\x1b[2J\"\n", .hosts = "DNS:evil\x1b[2J", .by = &root});

    const struct {
        const char* name;
        const certificate* server;
        const certificate* above;
        const char* host;
        errc code;
        const char* says;
    } cases[] = {
        {"right", &right, nullptr, "localhost", {}, ""},
        {"right, in capital letters and with a dot", &right, nullptr, "LOCALHOST.", {}, ""},
        {"an address", &right, nullptr, "127.0.0.1", {}, ""},
        {"an address of IPv6", &six, nullptr, "::1", {}, ""},
        {"an authority in between", &below_middle, &middle, "localhost", {}, ""},
        {"RFC 9525 6.3: a wildcard", &wild, nullptr, "www.example.com", {}, ""},
        {"RFC 9525 6.3: a wildcard is for one label", &wild, nullptr, "a.b.example.com", errc::certificate_wrong_host,
            "checking the certificate of a.b.example.com: it is for \"*.example.com\": the certificate is for another host"},
        {"RFC 9525 6.3: a wildcard is a whole label", &partly, nullptr, "www.example.com", errc::certificate_wrong_host,
            "checking the certificate of www.example.com: it is for \"w*.example.com\": the certificate is for another host"},
        {"expired", &expired, nullptr, "localhost", errc::certificate_expired,
            "checking the certificate of localhost: it was valid until 2* UTC: the certificate has expired"},
        {"not valid yet", &early, nullptr, "localhost", errc::certificate_not_yet_valid,
            "checking the certificate of localhost: it is valid from 2* UTC: the certificate is not valid yet"},
        {"an authority that has expired", &by_old, nullptr, "localhost", errc::certificate_expired,
            "checking the certificate of localhost: that of its issuer \"Old root\" was valid until 2* UTC: the certificate has expired"},
        {"self-signed", &self, nullptr, "localhost", errc::certificate_self_signed,
            "checking the certificate of localhost: \"localhost\" vouches for itself: the certificate is self-signed"},
        {"by somebody unknown", &by_stranger, nullptr, "localhost", errc::certificate_untrusted,
            "checking the certificate of localhost: it was issued by \"Stranger\", who is not trusted here and whose own did not come "
            "along: the certificate comes from an unknown authority"},
        {"by somebody unknown who comes along", &by_stranger, &stranger, "localhost", errc::certificate_untrusted,
            "checking the certificate of localhost: its authority \"Stranger\" is not trusted here: the certificate comes from an "
            "unknown authority"},
        {"an authority in between that is missing", &below_middle, nullptr, "localhost", errc::certificate_untrusted,
            "checking the certificate of localhost: it was issued by \"Middle\", who is not trusted here and whose own did not come "
            "along: the certificate comes from an unknown authority"},
        {"by somebody who is no authority", &by_none, &no_authority, "localhost", errc::certificate_rejected,
            "checking the certificate of localhost: that of its issuer \"No authority\": invalid CA certificate: the certificate cannot be "
            "accepted"},
        {"for other hosts", &elsewhere, nullptr, "localhost", errc::certificate_wrong_host,
            "checking the certificate of localhost: it is for \"a.example\", \"*.b.example\", 192.0.2.1, \"c\" and 2 more: the "
            "certificate is for another host"},
        {"for another address", &elsewhere, nullptr, "192.0.2.2", errc::certificate_wrong_host,
            "checking the certificate of 192.0.2.2: it is for \"a.example\", \"*.b.example\", 192.0.2.1, \"c\" and 2 more: the "
            "certificate is for another host"},
        {"RFC 9525 2: for no host, but with a common name", &nowhere, nullptr, "localhost", errc::certificate_wrong_host,
            "checking the certificate of localhost: it is for no host at all: the certificate is for another host"},
        {"revoked", &taken_back, nullptr, "localhost", errc::certificate_revoked,
            "checking the certificate of localhost: it is on the list of those that \"Root\" has revoked: the certificate was revoked"},
        {"by an authority that was revoked", &by_fallen, &fallen, "localhost", errc::certificate_revoked,
            "checking the certificate of localhost: that of its issuer \"Fallen\" is on the list of those that \"Root\" has revoked: "
            "the certificate was revoked"},
        {"by an authority whose list of revoked ones is out of date", &by_lazy, nullptr, "localhost", errc::certificate_rejected,
            "checking the certificate of localhost: the list of those that \"Lazy\" has revoked is out of date: the certificate cannot "
            "be accepted"},
        {"for clients", &for_clients, nullptr, "localhost", errc::certificate_rejected,
            "checking the certificate of localhost: un* certificate purpose: the certificate cannot be accepted"},
        {"by an authority for clients", &by_gate, &gate, "localhost", errc::certificate_rejected,
            "checking the certificate of localhost: that of its issuer \"Gate\": un* certificate purpose: the certificate cannot be "
            "accepted"},
        {"names that would play with a terminal", &vicious, nullptr, "localhost", errc::certificate_wrong_host,
            "checking the certificate of localhost: it is for \"evil?[2J\": the certificate is for another host"},
    };
    const std::string trusted = root.text() + old_root.text() + lazy.text();
    const std::string revoked = root.revoking({&taken_back, &fallen}) + lazy.revoking({}, -3600);
    for (const auto& each : cases) {
        CAPTURE(std::string(each.name));
        const std::string chain = each.server->text() + (each.above ? each.above->text() : ""), key = each.server->key_text();
        const verdict of = shake({.authorities = {.text = trusted, .revoked_text = revoked}},
                                 {.certificate = {.chain_text = chain, .key_text = key}}, each.host);
        if (each.code == errc{}) {
            CHECK_MESSAGE(of.client, of.client.error().message());
            CHECK_MESSAGE(!of.server, of.server.message());
            continue;
        }
        REQUIRE(!of.client);
        CHECK(of.client.error() == each.code);
        CHECK(of.client.error() == condition::untrusted);
        CHECK_MESSAGE(matches(of.client.error().message(), each.says), of.client.error().message());
        CHECK(of.server == errc::tls_refused);
        CHECK_MESSAGE(of.server.message().starts_with("TLS with the client: the peer says \""), of.server.message());
    }
}

TEST_CASE("the system's authorities do not know ours") {
    const verdict of = shake(tls_client_options(), credentials::common().serving());
    CHECK(of.client.error() == errc::certificate_untrusted);
}

TEST_CASE("trust in a file: authorities, and one that is in between") {
    const certificate root({.name = "Root", .hosts = "", .authority = true});
    const certificate middle({.name = "Middle", .hosts = "", .authority = true, .by = &root});
    const certificate server({.by = &middle}), self;
    const std::string chain = server.text(), key = server.key_text(), self_chain = self.text(), self_key = self.key_text();
    const tests::temporary_file authorities("# a comment\n" + middle.text() + self.text());
    const tls_client_options trusting{.authorities = {.file = authorities.path()}};
    CHECK(shake(trusting, {.certificate = {.chain_text = chain, .key_text = key}}).client);
    CHECK(shake(trusting, {.certificate = {.chain_text = self_chain, .key_text = self_key}}).client);
}

TEST_CASE("pinned keys") {
    const credentials& common = credentials::common();
    const certificate self({.name = "A device", .hosts = "", .from = -9 * day, .to = -8 * day});
    const std::string chain = self.text(), key = self.key_text(), pin = self.pin(), right = common.server.pin(), bare = right.substr(7);
    const std::string_view pin_of_self[] = {pin}, of_right[] = {right}, both_pins[] = {pin, bare};
    const tls_server_options device{.certificate = {.chain_text = chain, .key_text = key}};

    CHECK(shake({.authorities = {.text = common.ca}, .pins = of_right}, common.serving()).client);
    CHECK(shake({.authorities = {.text = common.ca}, .pins = both_pins}, common.serving()).client);
    const verdict other = shake({.authorities = {.text = common.ca}, .pins = pin_of_self}, common.serving());
    CHECK(other.client.error().message() ==
          "checking the certificate of localhost: the key of the certificate is not one that was asked for");
    CHECK(other.client.error() == errc::certificate_not_pinned);
    CHECK(shake({.authorities = {.text = common.ca}, .pins = pin_of_self}, device).client.error() == condition::untrusted);

    CHECK(shake({.trust = tls_trust::pins, .pins = pin_of_self}, device, "whatever").client);
    CHECK(shake({.trust = tls_trust::pins, .pins = of_right}, device).client.error() == errc::certificate_not_pinned);
    CHECK(shake({.trust = tls_trust::anybody}, device).client);
    CHECK(shake({.trust = tls_trust::anybody, .pins = of_right}, device).client.error() == errc::certificate_not_pinned);

    for (const std::string_view bad : {"", "sha256/", "sha1/AAAA", "x", "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA*="}) {
        const std::string_view pins[] = {bad};
        CHECK(tls_client({.pins = pins}).check().error() == errc::bad_credentials);
    }
    CHECK(tls_client({.trust = tls_trust::pins}).check().error().message() ==
          "no key is pinned, so nobody is trusted: it cannot be used for TLS");
}

TEST_CASE("certificates of clients") {
    const credentials& common = credentials::common();
    const certificate people({.name = "People", .hosts = "", .authority = true});
    const certificate ann({.name = "Ann", .hosts = "", .by = &people});
    const certificate eve({.name = "Eve", .hosts = ""});
    const certificate late({.name = "Late", .hosts = "", .from = -9 * day, .to = -8 * day, .by = &people});
    const certificate gone({.name = "Gone", .hosts = "", .by = &people});
    const certificate machine({.name = "A machine", .by = &people, .uses = "serverAuth"});
    const std::string whose = people.text(), revoked = people.revoking({&gone});
    for (const tls_clients how : {tls_clients::not_asked, tls_clients::asked, tls_clients::required}) {
        tls_server_options serving = common.serving();
        serving.clients = how;
        serving.authorities = {.text = whose, .revoked_text = revoked};
        const struct {
            const certificate* shown;
            errc code;
            const char* says;
        } cases[] = {
            {nullptr, errc::certificate_missing, "TLS with the client: the peer has no certificate"},
            {&ann, {}, ""},
            {&eve, errc::certificate_self_signed,
                "checking the certificate of the client \"Eve\": \"Eve\" vouches for itself: the certificate is self-signed"},
            {&late, errc::certificate_expired,
                "checking the certificate of the client \"Late\": it was valid until 2* UTC: the certificate has expired"},
            {&gone, errc::certificate_revoked,
                "checking the certificate of the client \"Gone\": it is on the list of those that \"People\" has revoked: the certificate "
                "was revoked"},
            {&machine, errc::certificate_rejected,
                "checking the certificate of the client \"A machine\": un* certificate purpose: the certificate cannot be accepted"},
        };
        for (const auto& each : cases) {
            const std::string chain = each.shown ? each.shown->text() : "", key = each.shown ? each.shown->key_text() : "";
            tls_client_options trusting = common.trusting();
            trusting.certificate = {.chain_text = chain, .key_text = key};
            const verdict of = shake(trusting, serving);
            const bool refused = each.code != errc{} && (how == tls_clients::required || (how == tls_clients::asked && each.shown));
            CHECK(static_cast<bool>(of.server) == refused);
            CHECK(static_cast<bool>(of.client) == !refused);
            if (!refused) continue;
            CHECK(of.server == each.code);
            CHECK_MESSAGE(matches(of.server.message(), each.says), of.server.message());
            CHECK(of.client.error() == errc::tls_refused);
            CHECK_MESSAGE(of.client.error().message().starts_with("TLS with localhost: the peer says \""), of.client.error().message());
        }
    }
    tls_server_options nobodys = common.serving();
    nobodys.clients = tls_clients::asked;
    CHECK(tls_server(nobodys).check().error().message() ==
          "clients are asked for certificates, but of no authority: it cannot be used for TLS");
}

TEST_CASE("the name that a client asks for chooses the certificate") {
    const credentials& common = credentials::common();
    const certificate a({.hosts = "DNS:a.example,DNS:both.example", .by = &common.authority});
    const certificate b({.hosts = "DNS:*.b.example,DNS:both.example", .by = &common.authority});
    const std::string of_a = a.text() + a.key_text(), of_b = b.text() + b.key_text();
    const tls_certificate more[] = {{.chain_text = of_a}, {.chain_text = of_b}};
    tls_server_options serving = common.serving();
    serving.more = more;
    for (const char* host : {"localhost", "a.example", "both.example", "www.b.example", "127.0.0.1"}) {
        CAPTURE(std::string(host));
        const verdict of = shake(common.trusting(), serving, host);
        CHECK_MESSAGE(of.client, of.client.error().message());
    }
    const verdict of = shake(common.trusting(), serving, "c.example");
    CHECK(of.client.error().message() ==
          "checking the certificate of c.example: it is for \"localhost\", 127.0.0.1: the certificate is for another host");
}

TEST_CASE("reloading: new connections get what is in the files now, and a mistake changes nothing") {
    const certificate old, fresh;
    const tests::temporary_file chain(old.text()), key(old.key_text());
    const std::string old_pin = old.pin(), fresh_pin = fresh.pin();
    const std::string_view old_pins[] = {old_pin}, fresh_pins[] = {fresh_pin};
    tls_client of_old({.trust = tls_trust::pins, .pins = old_pins}), of_fresh({.trust = tls_trust::pins, .pins = fresh_pins});
    tls_server server({.certificate = {.chain_file = chain.path(), .key_file = key.path()}});
    CHECK(shake(of_old, server).client);
    chain.write(fresh.text());
    CHECK(server.reload().error().message() ==
          "the key in " + key.path() + " is not that of the certificate in " + chain.path() + ": it cannot be used for TLS");
    CHECK(shake(of_old, server).client);
    key.write(fresh.key_text());
    CHECK(shake(of_old, server).client);
    CHECK(server.reload());
    CHECK(shake(of_old, server).client.error() == errc::certificate_not_pinned);
    CHECK(shake(of_fresh, server).client);
}

TEST_CASE("protocols inside") {
    const credentials& common = credentials::common();
    const std::string_view h2[] = {"h2"}, both[] = {"h2", "http/1.1"}, empty[] = {""};
    const std::string long_name(256, 'x');
    const std::string_view too_long[] = {long_name};
    tls_client_options client = common.trusting();
    client.protocols = both;
    CHECK(shake(client, common.serving()).client);
    client.protocols = {};
    CHECK(shake(client, common.serving()).client);
    client.protocols = h2; // RFC 7301 3.2
    const verdict of = shake(client, common.serving());
    CHECK(of.client.error().message() == "TLS with localhost: the peer says \"no application protocol\": refused by the peer");
    tls_server_options any = common.serving();
    any.protocols = {};
    CHECK(shake(client, any).client);
    for (const auto bad : {std::span<const std::string_view>(empty), std::span<const std::string_view>(too_long)}) {
        client.protocols = bad;
        CHECK(tls_client(client).check().error() == errc::bad_credentials);
    }
}

TEST_CASE("what cannot be used is said by name, and at once") {
    const credentials& common = credentials::common();
    const tests::temporary_file chain(common.chain), key(common.key), empty("");
    const tests::temporary_file garbage("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const tests::temporary_file locked(common.server.key_text("sesame")), other(certificate().key_text());
    const certificate weak({.rsa_bits = 1024});
    const std::string weak_chain = weak.text(), weak_key = weak.key_text();
    const struct {
        tls_certificate own;
        std::string says;
    } cases[] = {
        {{}, "no certificate was given: it cannot be used for TLS"},
        {{.chain_file = "/nowhere/chain.pem"}, "reading /nowhere/chain.pem: No such file or directory"},
        {{.chain_file = "/tmp"}, "reading /tmp: Is a directory"},
        {{.chain_file = empty.path()}, "no certificate in " + empty.path() + ": it cannot be used for TLS"},
        {{.chain_file = garbage.path()}, "a certificate in " + garbage.path() + ": *: it cannot be used for TLS"},
        {{.chain_file = chain.path()}, "no private key in " + chain.path() + ": it cannot be used for TLS"},
        {{.chain_file = chain.path(), .key_file = "/nowhere/key.pem"}, "reading /nowhere/key.pem: No such file or directory"},
        {{.chain_file = chain.path(), .key_file = other.path()},
            "the key in " + other.path() + " is not that of the certificate in " + chain.path() + ": it cannot be used for TLS"},
        {{.chain_file = chain.path(), .key_file = locked.path()},
            "the private key in " + locked.path() + ", which is encrypted: *: it cannot be used for TLS"},
        {{.chain_file = chain.path(), .key_file = locked.path(), .password = "wrong"},
            "the private key in " + locked.path() + ", which that password does not open: *: it cannot be used for TLS"},
        {{.chain_file = chain.path(), .key_text = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
            "the private key in the text: *: it cannot be used for TLS"},
        {{.chain_text = "hello"}, "no certificate in the text: it cannot be used for TLS"},
        {{.chain_text = weak_chain, .key_text = weak_key}, "the certificate: ee key too small: it cannot be used for TLS"},
    };
    for (const auto& each : cases) {
        const tls_server server({.certificate = each.own});
        REQUIRE(!server.check());
        CHECK_MESSAGE(matches(server.check().error().message(), each.says), server.check().error().message());
        CHECK(ERR_peek_error() == 0);
    }
    const tls_server unlocked({.certificate = {.chain_file = chain.path(), .key_file = locked.path(), .password = "sesame"}});
    CHECK_MESSAGE(unlocked.check(), unlocked.check().error().message());
    CHECK(tls_client({.authorities = {.file = "/nowhere/ca.pem"}}).check().error().message() ==
          "reading /nowhere/ca.pem: No such file or directory");
    CHECK(tls_client({.authorities = {.text = "x"}}).check().error() == errc::bad_credentials);
    CHECK(tls_client({.authorities = {.revoked_text = "x"}}).check().error().message() ==
          "no list of revoked certificates in the text: it cannot be used for TLS");
    tls_client unable({.authorities = {.file = "/nowhere/ca.pem"}});
    tls_server server(common.serving());
    CHECK(shake(unable, server).client.error().message() == "reading /nowhere/ca.pem: No such file or directory");
}
