#include "sockets.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace conformance {

namespace {

using namespace std::chrono_literals;
using instant = std::chrono::steady_clock::time_point;

struct job {
    const test_case* of;
    cutting how;
};

std::deque<job> jobs(const plan& what, side role) {
    std::deque<job> all;
    for (const cutting& how : what.cuttings)
        for (const test_case& each : what.cases)
            if (each.is_for(role) && (!(how.seed + how.step) || each.may_be_cut()))
                all.push_back({&each, each.step_bytes ? cutting{.step = each.step_bytes} : how});
    return all;
}

// One connection and the judge of it.
class session {
public:
    session(const job& from, side role, const surroundings& around, int descriptor, bool connecting, const bounds& within)
        : x_job(from), x_role(role), x_judge(*from.of, role, around), x_descriptor(descriptor), x_connecting(connecting),
          x_bounds(within) {
        const int one = 1;
        ::setsockopt(x_descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        ::fcntl(x_descriptor, F_SETFL, ::fcntl(x_descriptor, F_GETFL) | O_NONBLOCK);
        renew();
    }
    session(const session&) = delete;
    ~session() { ::close(x_descriptor); }

    const job& of() const { return x_job; }
    bool begun() const { return x_judge.begun(); }
    bool over() const { return x_judge.over(); }
    pollfd wanted() const {
        const bool writes = x_connecting || x_written < x_piece.size();
        const int events = (x_ended ? 0 : POLLIN) | (writes ? POLLOUT : 0);
        return {events ? x_descriptor : -1, static_cast<short>(events), 0};
    }
    std::chrono::milliseconds left(instant now) const {
        return std::max(0ms, std::chrono::duration_cast<std::chrono::milliseconds>(x_until - now) + 1ms);
    }
    void report_to(report& into) const { into.add(*x_job.of, x_role, x_job.how.name(), x_judge.result()); }

    // Does what can be done now.
    void go_on(instant now, short happened) {
        if (x_connecting && happened) {
            x_connecting = false;
            int failure = 0;
            socklen_t size = sizeof failure;
            ::getsockopt(x_descriptor, SOL_SOCKET, SO_ERROR, &failure, &size);
            if (failure) return lost();
        }
        if (x_connecting) {
            if (now >= x_until) lost();
            return;
        }
        bool moved = true;
        while (moved && !over()) {
            moved = write();
            if (!over()) moved |= read();
            if (moved) renew();
        }
        if (over()) return;
        if (x_ended && x_written == x_piece.size() && !x_judge.has_output()) return x_judge.waited(); // nothing more can come
        if (now < x_until) return;
        x_judge.waited();
        renew();
    }

private:
    void renew() {
        const bool silence = x_judge.patience() == judge::waiting::for_nothing;
        x_until = std::chrono::steady_clock::now() + (silence ? x_bounds.silence : x_bounds.patience);
    }

    void lost() {
        x_ended = true;
        x_judge.broken();
        if (!over()) x_judge.waited();
    }

    bool write() {
        bool moved = false;
        while (!x_mute) {
            if (x_written == x_piece.size()) {
                if (!x_judge.has_output()) break;
                x_piece = x_judge.take_output();
                x_written = 0;
                x_cuts.emplace(x_job.how, x_piece.size());
                x_part = 0;
            }
            if (x_part == 0) x_part = x_cuts->next(x_piece.size() - x_written);
            const ssize_t count = ::send(x_descriptor, x_piece.data() + x_written, x_part, MSG_NOSIGNAL);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) return moved;
            if (count < 0) {
                x_mute = true; // reading will tell how it ended
                x_piece.clear();
                x_written = 0;
                break;
            }
            x_written += static_cast<std::size_t>(count);
            x_part -= static_cast<std::size_t>(count);
            moved = true;
        }
        while (x_mute && x_judge.has_output()) x_judge.take_output();
        if (x_judge.wants_end() && !std::exchange(x_said_end, true)) ::shutdown(x_descriptor, SHUT_WR);
        return moved;
    }

    bool read() {
        bool moved = false;
        static char buffer[256 * 1024];
        while (!x_ended && !over()) {
            const ssize_t count = ::recv(x_descriptor, buffer, sizeof buffer, 0);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) break;
            moved = true;
            if (count > 0) {
                x_judge.received({buffer, static_cast<std::size_t>(count)});
                if (x_judge.has_output()) break; // what there is to say now is said first
                continue;
            }
            x_ended = true;
            if (count == 0)
                x_judge.ended();
            else
                x_judge.broken();
        }
        return moved;
    }

    job x_job;
    side x_role;
    judge x_judge;
    int x_descriptor;
    bool x_connecting;
    bounds x_bounds;
    instant x_until;
    std::string x_piece;
    std::size_t x_written = 0; // of the piece
    std::size_t x_part = 0;    // to be written in one call
    std::optional<cutter> x_cuts;
    bool x_mute = false;
    bool x_ended = false;
    bool x_said_end = false;
};

using sessions = std::vector<std::unique_ptr<session>>;

// Waits for something to happen to one of them, or to `also`; at most for `most`.
bool wait(sessions& all, int also, std::chrono::milliseconds most) {
    std::vector<pollfd> wanted;
    instant now = std::chrono::steady_clock::now();
    for (const auto& each : all) {
        wanted.push_back(each->wanted());
        most = std::min(most, each->left(now));
    }
    wanted.push_back({also, POLLIN, 0});
    const int count = ::poll(wanted.data(), wanted.size(), static_cast<int>(most.count()));
    now = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < all.size(); ++i) all[i]->go_on(now, count > 0 ? wanted[i].revents : short{0});
    return count > 0 && wanted.back().revents;
}

// Takes those out that are over.
void settle(sessions& all, report& into) {
    std::erase_if(all, [&](const auto& each) {
        if (each->over()) each->report_to(into);
        return each->over();
    });
}

struct place {
    sockaddr_storage address{};
    socklen_t size = 0;
    std::string host, target;
};

std::optional<place> look_up(std::string url) {
    if (!url.starts_with("ws://")) return {};
    url.erase(0, 5);
    place found;
    const std::size_t slash = std::min(url.find('/'), url.size());
    found.host = url.substr(0, slash);
    found.target = slash < url.size() ? url.substr(slash) : "/";
    const std::size_t colon = found.host.rfind(':');
    const bool has_port = colon != std::string::npos && found.host.find(']', colon) == std::string::npos;
    std::string name = found.host.substr(0, has_port ? colon : std::string::npos);
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    const std::string port = has_port ? found.host.substr(colon + 1) : "80";
    addrinfo hints{}, *all = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (::getaddrinfo(name.c_str(), port.c_str(), &hints, &all) != 0) return {};
    found.size = all->ai_addrlen;
    std::memcpy(&found.address, all->ai_addr, all->ai_addrlen);
    ::freeaddrinfo(all);
    return found;
}

} // namespace

bool try_server(const plan& what, const std::string& url, const bounds& within, report& into) {
    const std::optional<place> at = look_up(url);
    if (!at) return false;
    std::deque<job> left = jobs(what, side::server);
    sessions running;
    while (!left.empty() || !running.empty()) {
        while (!left.empty() && running.size() < within.parallel) {
            const job next = left.front();
            left.pop_front();
            const int made = ::socket(at->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            (void)::connect(made, reinterpret_cast<const sockaddr*>(&at->address), at->size); // it is told by POLLOUT
            running.push_back(std::make_unique<session>(
                next, side::server, surroundings{.host = at->host, .target = at->target, .seed = next.how.seed + 1}, made, true, within));
        }
        wait(running, -1, within.patience);
        settle(running, into);
    }
    return true;
}

struct client_trial::state {
    std::deque<job> left;
    sessions running;
    int listener = -1;
    bounds within;
    instant since = std::chrono::steady_clock::now(); // when somebody came last
};

client_trial::client_trial(const plan& what, std::uint16_t port, const bounds& within) : x_state(new state) {
    x_state->left = jobs(what, side::client);
    x_state->within = within;
    x_state->listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int one = 1;
    ::setsockopt(x_state->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(x_state->listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(x_state->listener, 64) != 0) return;
    ::getsockname(x_state->listener, reinterpret_cast<sockaddr*>(&at), &size);
    x_port = ntohs(at.sin_port);
}

client_trial::~client_trial() {
    ::close(x_state->listener);
}

// False when all is done.
bool client_trial::turn(report& into) {
    state& now = *x_state;
    if (wait(now.running, now.listener, 100ms)) {
        const int made = ::accept4(now.listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (made >= 0) {
            now.since = std::chrono::steady_clock::now();
            if (now.left.empty() && now.running.empty()) { // the end; whoever asks may read the answer in peace
                char request[4096];
                static constexpr std::string_view gone = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                (void)::recv(made, request, sizeof request, 0);
                (void)::send(made, gone.data(), gone.size(), MSG_NOSIGNAL);
                ::shutdown(made, SHUT_WR);
                while (::recv(made, request, sizeof request, 0) > 0) {}
                ::close(made);
                return false;
            }
            if (now.left.empty()) {
                ::close(made); // while the last ones are being played
            } else {
                const job next = now.left.front();
                now.left.pop_front();
                now.running.push_back(
                    std::make_unique<session>(next, side::client, surroundings{.seed = next.how.seed + 1}, made, false, now.within));
            }
        }
    }
    std::erase_if(now.running, [&](const auto& each) { // who connected and said nothing was no client
        const bool again = each->over() && !each->begun();
        if (again) now.left.push_front(each->of());
        return again;
    });
    settle(now.running, into);
    if (!now.running.empty()) now.since = std::chrono::steady_clock::now();
    if (std::chrono::steady_clock::now() - now.since < now.within.patience + 30s) return true;
    give_up(into);
    return false;
}

void client_trial::give_up(report& into) {
    for (const job& each : x_state->left)
        into.add(*each.of, side::client, each.how.name(), {verdict::failed, "a client", "none comes any more"});
    x_state->left.clear();
}

} // namespace conformance
