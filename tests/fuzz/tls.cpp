// TLS with somebody in between who changes what he likes: what arrives is a beginning of what was sent, and all of it where the stream
// ends in order; else there is an error with words that can be printed. Strangers who speak first are refused or wait, and all ends.
#define OPENSSL_SUPPRESS_DEPRECATED // a source of random numbers of our own, so that each input does the same each time
#include "world.hpp"

#include <weir/net/tls.hpp>

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace tls_target {

using namespace weir;
using io::status;

static fuzz::dice numbers(1);

static int draw(unsigned char* into, int count) {
    for (int i = 0; i < count; ++i) into[i] = static_cast<unsigned char>(numbers.roll());
    return 1;
}

// A certificate for localhost that vouches for itself, and its key, in PEM.
static std::string make_identity(std::string& certificate) {
    EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    X509* const made = X509_new();
    X509_set_version(made, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(made), -24 * 3600);
    X509_gmtime_adj(X509_getm_notAfter(made), 365 * 24 * 3600);
    X509_set_pubkey(made, key);
    X509_EXTENSION* const hosts = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(made, hosts, -1);
    X509_EXTENSION_free(hosts);
    X509_sign(made, key, nullptr);
    std::string texts[2];
    for (const bool of_key : {false, true}) {
        BIO* const to = BIO_new(BIO_s_mem());
        of_key ? PEM_write_bio_PrivateKey(to, key, nullptr, nullptr, 0, nullptr, nullptr) : PEM_write_bio_X509(to, made);
        char* data;
        const long size = BIO_get_mem_data(to, &data);
        texts[of_key].assign(data, static_cast<std::size_t>(size));
        BIO_free(to);
    }
    X509_free(made);
    EVP_PKEY_free(key);
    certificate = texts[0];
    return texts[1];
}

struct sides {
    std::string certificate, key = make_identity(certificate);
    tls_server server{{.certificate = {.chain_text = certificate, .key_text = key}, .key_bytes = 20'000}};

    static sides& all() {
        static const RAND_METHOD method{nullptr, draw, nullptr, nullptr, draw, [] { return 1; }};
        static const int ours = RAND_set_rand_method(&method);
        static sides made;
        fuzz::require(ours == 1 && made.server.check().has_value(), "a server with a certificate");
        return made;
    }
};

static bool printable(std::string_view text) {
    for (const char each : text)
        if (each < 0x20 || each > 0x7E) return false;
    return true;
}

static std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 % 251);
    return text;
}

// What one side has received, and how that ended: `blocked` when nothing more came for long.
struct outcome {
    std::string got;
    status end = status::blocked;
};

static task<> receive(io::stream& from, io::stream_signal& signal, outcome& all) {
    for (;;) {
        io::lease some;
        all.end = from.fill(some);
        if (all.end == status::ready) {
            all.got += as_text(some.bytes);
            from.release(std::move(some));
            continue;
        }
        if (all.end != status::blocked) break;
        const result<> told = co_await signal.readable().within(std::chrono::seconds(50));
        if (!told) co_return;
    }
    if (all.end != status::failed) co_return;
    fuzz::require(static_cast<bool>(from.failure()), "what has failed says why");
    const std::string words = from.failure_detail();
    fuzz::require(printable(words) && words.size() < 1000, "in words that can be printed");
}

static task<> send(io::stream& to, io::stream_signal& signal, std::string_view text) {
    while (!text.empty()) {
        const bytes_view part = as_bytes(text.substr(0, 7000));
        const std::size_t taken = to.write({&part, 1});
        text.remove_prefix(taken);
        if (to.failure()) co_return;
        if (taken == part.size()) continue;
        const result<> told = co_await signal.writable().within(std::chrono::seconds(50));
        if (!told) co_return;
    }
    to.shutdown_write();
}

// --- strangers ---

static task<> meet(fuzz::world& here, bool serves, std::uint8_t cuts, fuzz::leaving how, std::string_view text) {
    auto below = here.network().pair();
    fuzz::raw_peer peer(std::move(below.second));
    owned<io::stream> secured;
    tls_client client({.authorities = {.text = sides::all().certificate}});
    if (serves) {
        secured = sides::all().server.begin(std::move(below.first));
    } else {
        auto begun = client.begin(std::move(below.first), "localhost", 443);
        fuzz::require(begun.has_value(), "a client");
        secured = std::move(*begun);
    }
    outcome all;
    {
        io::stream_signal signal(*secured);
        scope both;
        both.spawn(peer.say(text, cuts, cuts & 1, how));
        both.spawn(peer.listen());
        both.spawn(receive(*secured, signal, all));
        while (both.size() > 1 && all.end == status::blocked) {
            const result<> slept = co_await sleep(std::chrono::seconds(60));
            if (!slept || peer.said_all() || peer.over()) break;
        }
        secured->close();
        co_await both.join();
    }
    if (serves) fuzz::require(all.got.empty() && !secured->security(), "nobody gets in who has no key");
}

// --- in between ---

// What is done to the bytes of one direction, one after the other.
struct change {
    std::size_t after; // bytes that pass before it
    std::uint8_t kind;
    std::uint8_t value;
};

struct passage {
    io::stream& from;
    io::stream_signal& news;
    io::stream& to;
    io::stream_signal& room;
    std::vector<change> changes;
    bool& touched;
};

static task<> pass_on(passage of) {
    std::size_t next = 0, passed = 0;
    std::string ahead;
    for (bool over = false; !over;) {
        io::lease some;
        const status came = of.from.fill(some);
        if (came == status::ready) {
            for (const std::byte each : some.bytes) {
                ahead += static_cast<char>(each);
                ++passed;
                if (next == of.changes.size() || passed <= of.changes[next].after) continue;
                const change& now = of.changes[next++];
                passed = 0;
                of.touched = true;
                switch (now.kind % 6) {
                case 0: ahead.back() = static_cast<char>(ahead.back() ^ (now.value ? now.value : 1)); break;
                case 1: ahead.pop_back(); break;
                case 2: ahead += static_cast<char>(now.value); break;
                case 3: ahead += ahead.substr(ahead.size() - std::min<std::size_t>(ahead.size(), now.value)); break;
                case 4: ahead.append(now.value, static_cast<char>(now.kind)); break;
                default: over = true;
                }
                if (over) break;
            }
            of.from.release(std::move(some));
        } else if (came == status::blocked) {
            const result<> told = co_await of.news.readable().within(std::chrono::seconds(20));
            if (!told) over = true;
        } else {
            over = true;
        }
        while (!ahead.empty()) {
            const bytes_view bytes = as_bytes(ahead);
            const std::size_t taken = of.to.write({&bytes, 1});
            ahead.erase(0, taken);
            if (of.to.failure()) co_return;
            if (ahead.empty()) break;
            const result<> told = co_await of.room.writable().within(std::chrono::seconds(20));
            if (!told) co_return;
        }
    }
    of.to.shutdown_write();
}

static void judge(const outcome& of, std::string_view sent, bool touched) {
    fuzz::require(sent.starts_with(of.got), "what arrives is a beginning of what was sent");
    fuzz::require(of.end != status::end || of.got.size() == sent.size(), "all of it where the stream ends in order");
    fuzz::require(touched || of.end == status::end, "and it does where nobody has changed anything");
}

static task<> interfere(fuzz::world& here, std::vector<change> up, std::vector<change> down, std::size_t up_bytes, std::size_t down_bytes) {
    const std::string to_server = pattern(up_bytes), to_client = pattern(down_bytes);
    tls_client client({.authorities = {.text = sides::all().certificate}, .key_bytes = 30'000});
    for (int round = 0; round < 2; ++round) { // the second one resumes, if the first one came so far
        auto left = here.network().pair(), right = here.network().pair();
        bool touched = false;
        outcome at_server, at_client;
        auto begun = client.begin(std::move(left.first), "localhost", 443);
        fuzz::require(begun.has_value(), "a client");
        owned<io::stream> server = sides::all().server.begin(std::move(right.second));
        {
            io::stream_signal of_client(**begun), of_server(*server), to_left(*left.second), to_right(*right.first);
            scope all;
            all.spawn(pass_on({*left.second, to_left, *right.first, to_right, up, touched}));
            all.spawn(pass_on({*right.first, to_right, *left.second, to_left, down, touched}));
            all.spawn(send(**begun, of_client, to_server));
            all.spawn(receive(**begun, of_client, at_client));
            all.spawn(send(*server, of_server, to_client));
            all.spawn(receive(*server, of_server, at_server));
            co_await all.join();
        }
        judge(at_server, to_server, touched);
        judge(at_client, to_client, touched);
    }
}

static std::vector<change> changes_of(std::string_view& text, std::size_t most) {
    std::vector<change> made;
    while (text.size() >= 4 && made.size() < most) {
        const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
        made.push_back({byte(0) * 256u + byte(1), byte(2), byte(3)});
        text.remove_prefix(4);
    }
    return made;
}

} // namespace tls_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tls_target;
    fuzz::input in(data, size);
    (void)sides::all();
    numbers = fuzz::dice(1);
    const std::uint8_t what = in.byte();
    fuzz::world here(fuzz::network_of(in.byte()));
    if (what % 4 < 2) {
        const std::uint8_t cuts = in.byte();
        const auto how = static_cast<fuzz::leaving>(in.byte() % 4);
        here.run(meet(here, what % 4 == 0, cuts, how, in.take_all()));
    } else {
        const std::size_t up_bytes = in.up_to(50'000), down_bytes = in.up_to(50'000), ups = in.up_to(4);
        std::string_view rest = in.take_all();
        const std::vector<change> up = changes_of(rest, ups), down = changes_of(rest, 4);
        here.run(interfere(here, up, down, up_bytes, down_bytes));
    }
    ERR_clear_error();
    return 0;
}
