// ws: WebSockets from the command line. It talks at a terminal, in pipes and as a server, pings, and measures; `ws --help` says how.
//
//     c++ -std=c++20 -O2 -I single_include examples/ws.cpp -o ws
//     ./ws ws://localhost:9001/echo
//
// and with -DWEIR_WITH_OPENSSL -lssl -lcrypto for wss://, -DWEIR_WITH_ZLIB -lz for compression, -DWEIR_WITH_PROXY for proxies.
//
// From top to bottom: the settings that the command line makes; text that may be shown; what stdin, stdout and the terminal are to a
// coroutine; the wire, which watches the frames of a connection; opening one; and then the five things that it does, each a
// coroutine to be read straight on: talk, serve, ping, bench, and choosing among them.
#include <weir.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <cwchar>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <clocale>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using weir::ws::close_code;
using weir::ws::opcode;
using clock_type = std::chrono::steady_clock;

// ---------------------------------------------------------------------------------------------------------------------------
// What the command line asks for

namespace {

enum exit_code { in_order = 0, failed = 1, misused = 2, timed_out = 3, refused_by_code = 4, interrupted = 130 };

constexpr const char* help = R"(Usage: ws [OPTIONS] URL                    talk to a server
       ws [OPTIONS] --listen [HOST:]PORT   be one
       ws [OPTIONS] --ping URL             measure round trips
       ws [OPTIONS] --bench [SECONDS] URL  load an echo server

At a terminal, lines that are typed become messages; Ctrl+D or Ctrl+C closes.
In a pipe, each line of stdin becomes a message, and each message a line of
stdout. URL is ws://, wss://, ws+unix:PATH:/TARGET, or HOST[:PORT][/TARGET].

What is said:
  -b, --binary          binary messages: each as it is read from stdin, and
                        written to stdout as they come, with nothing between
  -0, --null            messages end with a NUL instead of a newline
  -w, --whole           all of stdin is one message, of any size; what comes
                        is written with nothing between
  -f, --file PATH       the same with a file in the place of stdin
  -r, --receive         nothing is sent, stdin is not read
  -W, --wait SECONDS    after the end of stdin: go on until nothing has come
                        for so long (default 1), or "forever"
  -c, --count N         close when N messages have come, not after stdin
      --max-bytes N     close with 1009 when a message is larger than N bytes
                        (also 64k, 16M, 1G)
      --time, --no-time show when messages came; at a terminal it does

Serving:
  -l, --listen [HOST:]PORT  on localhost; ":PORT" on all addresses, "unix:PATH"
                        on a socket, port 0 on a free one. What anybody says is
                        shown, what is typed or read goes to all who are there
      --echo            everybody gets back what they say
      --once            serve one client, refuse others, and end with it

Measuring:
      --ping            one ping a second; -c N of them, -i SECONDS apart
  -i, --interval SECONDS
      --bench [SECONDS] load an echo server for so long (default 5)
      --connections N   by so many connections (default 10)
      --size N          with messages of so many bytes (default 128)
      --depth N         so many of them under way on each (default 1)

Connecting:
  -H, --header 'NAME: VALUE'  a field of the request; may be repeated
  -s, --subprotocol NAME      may be repeated
  -o, --origin ORIGIN   says where it comes from; --listen: lets pages from
                        there in (may be repeated, "any" for all)
  -z, --compress        offer or accept permessage-deflate
      --redirects N     follow so many (default 0)
      --proxy URL       http://, https:// or socks5://; "env": as http_proxy,
                        https_proxy, all_proxy and no_proxy say
      --unix PATH       connect to a Unix socket instead of the URL's host
      --timeout SECONDS for connecting and for closing (default 10)

TLS:
      --cacert FILE     whom to believe, instead of this system's authorities
  -k, --insecure        believe anybody; for tests only
      --cert FILE       the certificate of --listen, or of this client
      --key FILE        its key, if that is not in the same file

  -v, --verbose         show the handshake and each frame, on stderr
  -h, --help            show this
  -V, --version         show the version, and what was compiled in

Exit codes:
  0    closed in order (by the other side: with 1000, 1001 or without a code)
  1    refused, not reached, lost, or closed by the other side before all of a
       message was sent; --ping: nobody answered
  2    a wrong command line, or input that cannot be sent
  3    timed out: connecting, or before -c N messages had come
  4    the other side closed with a code that means an error
  130  interrupted while piping

Examples:
  ws localhost:9001/echo                          talk to it
  echo '{"op":"subscribe"}' | ws -W forever wss://example.com/feed >> log
  ws -c 1 wss://example.com/rpc < request.json    wait for one answer
  ws -w ws://localhost:9001/echo < photo > copy   a file there and back
  ws --listen 9001 --once -b > photo              receive a file, and
  ws -bf photo localhost:9001                     send it
)";

enum class mode { talk, listen, ping, bench };
enum class framing { lines, nulls, whole, reads };

constexpr nanoseconds forever = nanoseconds::max();

// Views are of the command line's own memory.
struct settings {
    mode what = mode::talk;
    std::string url;
    std::string_view listen, file, proxy, unix_path, authorities, certificate, key;
    std::vector<weir::http::field> headers;
    std::vector<std::string_view> subprotocols, origins;
    std::optional<framing> how;
    bool binary = false, receive = false, echo = false, once = false;
    bool compress = false, insecure = false, verbose = false;
    std::optional<bool> times;
    std::optional<std::uint64_t> count, most_bytes;
    std::optional<nanoseconds> wait;
    nanoseconds timeout = 10s, interval = 1s, load_time = 5s;
    std::uint64_t connections = 10, size = 128, depth = 1, redirects = 0;

    framing form() const { return how ? *how : binary ? framing::reads : framing::lines; }
    bool any_origin() const { return std::find(origins.begin(), origins.end(), "any") != origins.end(); }
};

// "64k", "1.5", "0.2": a number of at least `least`, with a unit if it is of bytes.
bool parse(std::string_view text, double least, double most, bool with_unit, double& into) {
    double unit = 1;
    if (with_unit && !text.empty())
        if (const std::size_t at = std::string_view("kMG").find(text.back()); at != std::string_view::npos) {
            unit = static_cast<double>(std::uint64_t{1} << (10 * (at + 1)));
            text.remove_suffix(1);
        }
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), into, std::chars_format::fixed);
    if (wrong != std::errc() || end != text.data() + text.size()) return false;
    into *= unit;
    return into >= least && into <= most;
}

std::string set_number(std::uint64_t& into, std::string_view text, double least, double most) {
    double value = 0;
    if (!parse(text, least, most, true, value) || std::floor(value) != value) {
        char wanted[80];
        std::snprintf(wanted, sizeof wanted, "a whole number from %.0f to %.0f", least, most);
        return wanted;
    }
    into = static_cast<std::uint64_t>(value);
    return {};
}
std::string set_number(std::optional<std::uint64_t>& into, std::string_view text, double least, double most) {
    return set_number(into.emplace(), text, least, most);
}

std::string set_seconds(nanoseconds& into, std::string_view text, double least) {
    double value = 0;
    if (!parse(text, least, 1e9, false, value)) return least > 0 ? "a number of seconds above 0" : "a number of seconds";
    into = std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(value));
    return {};
}

std::string set_header(settings& of, std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == text.npos || colon == 0) return "a field, as in 'Name: value'";
    std::string_view value = text.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    of.headers.push_back({text.substr(0, colon), value});
    return {};
}

// What an option does with its value; gives what would have been right where that is wrong.
struct option {
    std::string_view name;
    char letter;
    bool takes_value;
    std::string (*set)(settings& of, std::string_view value);
};

constexpr std::string (*as_said)(settings&, std::string_view) = nullptr; // of options that end the program

constexpr option options[] = {
    {"binary", 'b', false, [](settings& of, std::string_view) { return of.binary = true, std::string(); }},
    {"null", '0', false, [](settings& of, std::string_view) { return of.how = framing::nulls, std::string(); }},
    {"whole", 'w', false, [](settings& of, std::string_view) { return of.how = framing::whole, std::string(); }},
    {"file", 'f', true, [](settings& of, std::string_view is) { return of.how = framing::whole, of.file = is, std::string(); }},
    {"receive", 'r', false, [](settings& of, std::string_view) { return of.receive = true, std::string(); }},
    {"wait", 'W', true, [](settings& of, std::string_view is) {
        if (is == "forever") return of.wait = forever, std::string();
        return set_seconds(of.wait.emplace(), is, 0);
    }},
    {"count", 'c', true, [](settings& of, std::string_view is) { return set_number(of.count, is, 1, 1e15); }},
    {"max-bytes", 0, true, [](settings& of, std::string_view is) { return set_number(of.most_bytes, is, 1, 1e15); }},
    {"time", 0, false, [](settings& of, std::string_view) { return of.times = true, std::string(); }},
    {"no-time", 0, false, [](settings& of, std::string_view) { return of.times = false, std::string(); }},
    {"listen", 'l', true, [](settings& of, std::string_view is) { return of.what = mode::listen, of.listen = is, std::string(); }},
    {"echo", 0, false, [](settings& of, std::string_view) { return of.echo = true, std::string(); }},
    {"once", 0, false, [](settings& of, std::string_view) { return of.once = true, std::string(); }},
    {"ping", 0, false, [](settings& of, std::string_view) { return of.what = mode::ping, std::string(); }},
    {"interval", 'i', true, [](settings& of, std::string_view is) { return set_seconds(of.interval, is, 0.001); }},
    {"bench", 0, false, [](settings& of, std::string_view is) {
        of.what = mode::bench;
        if (is.empty()) return std::string();
        return set_seconds(of.load_time, is, 0.001);
    }},
    {"connections", 0, true, [](settings& of, std::string_view is) { return set_number(of.connections, is, 1, 10'000); }},
    {"size", 0, true, [](settings& of, std::string_view is) { return set_number(of.size, is, 0, 1 << 30); }},
    {"depth", 0, true, [](settings& of, std::string_view is) { return set_number(of.depth, is, 1, 1'000); }},
    {"header", 'H', true, set_header},
    {"subprotocol", 's', true, [](settings& of, std::string_view is) { return of.subprotocols.push_back(is), std::string(); }},
    {"origin", 'o', true, [](settings& of, std::string_view is) { return of.origins.push_back(is), std::string(); }},
    {"compress", 'z', false, [](settings& of, std::string_view) { return of.compress = true, std::string(); }},
    {"redirects", 0, true, [](settings& of, std::string_view is) { return set_number(of.redirects, is, 0, 100); }},
    {"proxy", 0, true, [](settings& of, std::string_view is) { return of.proxy = is, std::string(); }},
    {"unix", 0, true, [](settings& of, std::string_view is) { return of.unix_path = is, std::string(); }},
    {"timeout", 0, true, [](settings& of, std::string_view is) { return set_seconds(of.timeout, is, 0.001); }},
    {"cacert", 0, true, [](settings& of, std::string_view is) { return of.authorities = is, std::string(); }},
    {"insecure", 'k', false, [](settings& of, std::string_view) { return of.insecure = true, std::string(); }},
    {"cert", 0, true, [](settings& of, std::string_view is) { return of.certificate = is, std::string(); }},
    {"key", 0, true, [](settings& of, std::string_view is) { return of.key = is, std::string(); }},
    {"verbose", 'v', false, [](settings& of, std::string_view) { return of.verbose = true, std::string(); }},
    {"help", 'h', false, as_said},
    {"version", 'V', false, as_said},
};

// How many letters one has to change, add or leave out to get from one word to another.
std::size_t distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> row(to.size() + 1);
    for (std::size_t j = 0; j <= to.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= from.size(); ++i) {
        std::size_t corner = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= to.size(); ++j) {
            const std::size_t kept = corner + (from[i - 1] != to[j - 1]);
            corner = row[j];
            row[j] = std::min({kept, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row.back();
}

int misuse(const std::string& what) {
    std::fprintf(stderr, "ws: %s\nws --help says what there is\n", what.c_str());
    return misused;
}

int unknown_option(std::string_view name) {
    const option* nearest = nullptr;
    std::size_t least = 1 + name.size() / 3; // more would be another word
    for (const option& each : options)
        if (const std::size_t far = distance(name, each.name); far <= least && name.size() > 1) {
            nearest = &each;
            least = far - (far > 0);
        }
    std::string text = "there is no option --" + std::string(name);
    if (nearest) text += "; is it --" + std::string(nearest->name) + " that you mean?";
    return misuse(text);
}

#if defined(WEIR_WITH_OPENSSL)
constexpr bool has_tls = true;
#else
constexpr bool has_tls = false;
#endif
#if defined(WEIR_WITH_ZLIB)
constexpr bool has_compression = true;
#else
constexpr bool has_compression = false;
#endif
#if defined(WEIR_WITH_PROXY)
constexpr bool has_proxies = true;
#else
constexpr bool has_proxies = false;
#endif

int show_version() {
    const auto with = [](bool has) { return has ? "with" : "without"; };
    std::printf("ws of weir %s, %s TLS, %s compression, %s proxies\n", weir::version, with(has_tls), with(has_compression),
                with(has_proxies));
    return in_order;
}

bool is_number(std::string_view text) {
    double ignored;
    return parse(text, 0, 1e9, false, ignored);
}

// What is asked for and was not compiled in; empty if there is nothing.
std::string what_lacks(const settings& of) {
    std::string lacking;
    const auto need = [&](bool has, bool asked, const std::string& what, const char* flags) {
        if (!has && asked) lacking = what + ": this ws was built without it; build it with " + flags;
    };
    const char* const openssl = "-DWEIR_WITH_OPENSSL -lssl -lcrypto";
    need(has_tls, of.url.starts_with("wss:"), "TLS, for " + of.url, openssl);
    need(has_tls, of.proxy.starts_with("https:"), "TLS, for the proxy", openssl);
    need(has_tls, of.insecure, "TLS, for --insecure", openssl);
    need(has_tls, !of.authorities.empty(), "TLS, for --cacert", openssl);
    need(has_tls, !of.certificate.empty() || !of.key.empty(), "TLS, for --cert and --key", openssl);
    need(has_compression, of.compress, "compression, for --compress", "-DWEIR_WITH_ZLIB -lz");
    need(has_proxies, !of.proxy.empty(), "the way through proxies, for --proxy", "-DWEIR_WITH_PROXY");
    return lacking;
}

// Whether what was asked for fits together; else what does not.
std::string what_is_wrong(const settings& of) {
    if (of.what == mode::listen && !of.url.empty()) return "either --listen or a URL";
    if (of.what != mode::listen && of.url.empty()) return "a URL is missing";
    if (of.what != mode::listen && (of.echo || of.once)) return "--echo and --once are for --listen";
    if (of.receive && !of.file.empty()) return "either --receive or --file";
    if (of.what == mode::listen && (!of.proxy.empty() || !of.unix_path.empty())) return "--proxy and --unix are for a URL";
    if (of.what != mode::listen && of.origins.size() > 1) return "a client has one --origin";
    if (of.certificate.empty() && !of.key.empty()) return "--key without --cert";
    return {};
}

// Reads the command line. An exit code where that is all there is to do.
std::optional<int> read_command_line(int argc, char** argv, settings& into) {
    if (argc < 2) return std::fputs(help, stderr), misused;
    std::vector<std::string_view> plain;
    for (int at = 1; at < argc; ++at) {
        std::string_view text = argv[at];
        if (text == "--") {
            plain.insert(plain.end(), argv + at + 1, argv + argc);
            break;
        }
        if (!text.starts_with('-') || text.size() < 2) {
            plain.push_back(text);
            continue;
        }
        const bool is_long = text.starts_with("--");
        for (text.remove_prefix(is_long ? 2 : 1); !text.empty();) { // letters may stand together: -bf PATH
            const std::size_t equals = is_long ? text.find('=') : text.npos;
            const std::string_view name = is_long ? text.substr(0, equals) : text.substr(0, 1);
            const auto found = std::find_if(std::begin(options), std::end(options), [&](const option& each) {
                return is_long ? each.name == name : each.letter == name[0];
            });
            if (found == std::end(options)) {
                if (is_long) return unknown_option(name);
                return misuse("there is no option -" + std::string(name));
            }
            if (found->name == "help") return std::fputs(help, stdout), in_order;
            if (found->name == "version") return show_version();
            const bool may_take = found->takes_value || found->name == "bench";
            if (equals != text.npos && !may_take) return misuse("--" + std::string(name) + " takes no value");
            std::optional<std::string_view> value;
            if (equals != text.npos)
                value = text.substr(equals + 1);
            else if (!is_long && found->takes_value && text.size() > 1)
                value = text.substr(1);
            else if (found->takes_value || (may_take && at + 1 < argc && is_number(argv[at + 1])))
                if (++at < argc) value = argv[at];
            if (found->takes_value && !value) return misuse("--" + std::string(found->name) + " needs a value");
            const std::string wanted = found->set(into, value.value_or(""));
            if (!wanted.empty())
                return misuse("--" + std::string(found->name) + " takes " + wanted + ", not " + std::string(*value));
            text.remove_prefix(is_long || value ? text.size() : 1);
        }
    }
    if (plain.size() > 1) return misuse("one URL, not also " + std::string(plain[1]));
    if (!plain.empty()) into.url = plain[0];
    if (!into.url.empty() && into.url.find("://") == into.url.npos && !into.url.starts_with("ws+unix:")) into.url.insert(0, "ws://");
    if (const std::string wrong = what_is_wrong(into); !wrong.empty()) return misuse(wrong);
    if (const std::string lacking = what_lacks(into); !lacking.empty()) return misuse(lacking);
    return std::nullopt;
}

// ---------------------------------------------------------------------------------------------------------------------------
// Text that may be shown

// The character that `text` begins with, and in how many bytes; none where that is not UTF-8.
std::optional<char32_t> first_character(std::string_view text, std::size_t& bytes) {
    const auto lead = static_cast<unsigned char>(text[0]);
    bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (bytes > text.size() || !weir::is_utf8(weir::as_bytes(text.substr(0, bytes)))) return bytes = 1, std::nullopt;
    if (bytes == 1) return lead;
    char32_t all = lead & (0x7Fu >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) all = all << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
    return all;
}

// Whether a terminal would do something at it, or show what follows in another order than it stands in.
bool is_control(char32_t each) {
    return each < 0x20 || (each >= 0x7F && each < 0xA0) || (each >= 0x202A && each <= 0x202E) || (each >= 0x2066 && each <= 0x2069) ||
           each == 0x200E || each == 0x200F || each == 0x061C || each == 0x2028 || each == 0x2029;
}

// What anybody has sent, so that it can be shown anywhere. With `indent`, new lines and tabs stay, and lines begin with that.
std::string escaped(std::string_view text, const std::string* indent = nullptr) {
    std::string made;
    char code[16];
    for (std::size_t at = 0, bytes; at < text.size(); at += bytes) {
        const std::optional<char32_t> each = first_character(text.substr(at), bytes);
        if (each && !is_control(*each)) {
            made += text.substr(at, bytes);
        } else if (indent && each == U'\n') {
            made += '\n' + *indent;
        } else if (indent && each == U'\t') {
            made += '\t';
        } else {
            const auto number = each ? static_cast<unsigned>(*each) : static_cast<unsigned char>(text[at]);
            if (number == '\n' || number == '\r' || number == '\t')
                std::snprintf(code, sizeof code, "\\%c", number == '\n' ? 'n' : number == '\r' ? 'r' : 't');
            else
                std::snprintf(code, sizeof code, number < 0x80 || !each ? "\\x%02x" : "\\u%04x", number);
            made += code;
        }
    }
    return made;
}

std::string in_hex(std::string_view bytes) {
    std::string made;
    char pair[4];
    for (const char each : bytes) {
        std::snprintf(pair, sizeof pair, made.empty() ? "%02x" : " %02x", static_cast<unsigned char>(each));
        made += pair;
    }
    return made;
}

// Sixteen bytes a line, in hexadecimal and as what they may be.
std::string hex_dump(std::string_view bytes, const std::string& indent) {
    std::string made;
    char place[32];
    for (std::size_t at = 0; at < bytes.size(); at += 16) {
        const std::string_view line = bytes.substr(at, 16);
        std::snprintf(place, sizeof place, "%04zx  ", at);
        std::string hex = in_hex(line);
        hex.resize(48, ' ');
        made += (at ? "\n" + indent : indent) + place + hex + " |";
        for (const char each : line) made += each >= 0x20 && each < 0x7F ? each : '.';
        made += '|';
    }
    return made;
}

std::string text_of(const char* form, double value) {
    char made[48];
    std::snprintf(made, sizeof made, form, value);
    return made;
}

std::string size_text(double bytes) {
    if (bytes < 1024) return text_of("%.0f B", bytes);
    if (bytes < 1024 * 1024) return text_of("%.1f KiB", bytes / 1024);
    if (bytes < 1024 * 1024 * 1024) return text_of("%.1f MiB", bytes / (1024 * 1024));
    return text_of("%.2f GiB", bytes / (1024 * 1024 * 1024));
}

std::string count_text(std::uint64_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

double milliseconds(nanoseconds span) { return std::chrono::duration<double, std::milli>(span).count(); }

std::string time_now() {
    const std::time_t now = std::time(nullptr);
    char made[16];
    std::strftime(made, sizeof made, "%H:%M:%S", std::localtime(&now));
    return made;
}

bool is_terminal(int number) { return ::isatty(number) == 1; }

bool has_cursor() {
    const char* const kind = std::getenv("TERM");
    return kind && *kind && std::strcmp(kind, "dumb") != 0;
}

// `text` in a colour of the terminal at `number`, or plain where that is none or nobody wants colours (no-color.org).
enum class paint : int { dim = 2, red = 31, green = 32, yellow = 33, cyan = 36 };
std::string painted(paint how, std::string_view text, int number) {
    const char* const no_color = std::getenv("NO_COLOR");
    if (!is_terminal(number) || !has_cursor() || (no_color && *no_color)) return std::string(text);
    return "\x1b[" + std::to_string(static_cast<int>(how)) + "m" + std::string(text) + "\x1b[0m";
}

void write_all(int number, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(number, text.data(), text.size());
        if (written < 0 && errno != EINTR) return; // nobody there to be told
        if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    }
}

// ---------------------------------------------------------------------------------------------------------------------------
// Descriptors and signals, for coroutines

// stdin, or stdout: a pipe, a terminal, a file. Other programs have them too, so they are left as they are: blocking. `ready` waits,
// and meanwhile the loop goes on, until a call would not block. A file is always ready.
class descriptor final : public weir::io::watched {
public:
    explicit descriptor(int of)
        : watched(weir::io::unique_descriptor(::fcntl(of, F_DUPFD_CLOEXEC, 3))),
          x_backend(static_cast<weir::io::epoll&>(weir::io::loop::current()->events())), x_watched(!x_backend.watch(*this)) {}
    ~descriptor() {
        if (x_watched) x_backend.unwatch(*this);
    }

    // For POLLIN or POLLOUT. False when the coroutine was cancelled.
    weir::task<bool> ready(short direction) {
        for (;;) {
            pollfd one{number(), direction, 0};
            if (::poll(&one, 1, 0) != 0) co_return true;
            x_news.reset();
            const auto told = co_await x_news.wait();
            if (!told) co_return false;
        }
    }

private:
    void on_ready(unsigned) noexcept override { x_news.set(); }
    interest wants() const noexcept override { return {true, true, true}; }

    weir::io::epoll& x_backend;
    bool x_watched;
    weir::event x_news;
};

// Ctrl+C, and what asks the program to end. A third signal ends it at once.
class interruption final : private weir::io::interrupt {
public:
    explicit interruption(void (*before_death)()) : x_loop(*weir::io::loop::current()), x_until(x_loop) {
        x_loop.add(*this);
        s_current = this;
        s_before_death = before_death;
        struct sigaction action {};
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART;
        for (const int each : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(each, &action, nullptr);
    }
    ~interruption() {
        for (const int each : {SIGINT, SIGTERM, SIGHUP}) ::signal(each, SIG_DFL);
        s_current = nullptr;
    }

    // Until the next one. False when the coroutine was cancelled.
    weir::task<bool> next() {
        const auto told = co_await x_happened.wait();
        x_happened.reset();
        co_return static_cast<bool>(told);
    }

    // Cancelled by the first one: for what need not end in order.
    weir::context& until() { return x_until; }
    bool happened() const { return x_until.canceled(); }

private:
    static void on_signal(int number) {
        s_count = s_count + 1;
        if (s_count >= 3 || !s_current) {
            s_before_death();
            ::signal(number, SIG_DFL);
            ::raise(number);
        } else {
            s_current->x_loop.raise(*s_current);
        }
    }
    void on_interrupt() noexcept override {
        x_until.cancel();
        x_happened.set();
    }

    static inline interruption* s_current = nullptr;
    static inline void (*s_before_death)() = nullptr;
    static inline volatile std::sig_atomic_t s_count = 0;

    weir::io::loop& x_loop;
    weir::context x_until;
    weir::event x_happened;
};

// ---------------------------------------------------------------------------------------------------------------------------
// The terminal

// The line that is being typed, with what was typed before, and what is shown above it. The terminal is given back as it was, whatever
// ends the program.
class terminal {
public:
    static bool is_there() { return is_terminal(0) && is_terminal(1) && has_cursor(); }
    static inline terminal* shown = nullptr; // the one that there is

    terminal() : x_in(0) {
        ::tcgetattr(0, &s_before);
        shown = this;
        std::atexit(give_back);
        for (const int each : {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::signal(each, die);
        take();
    }
    ~terminal() {
        write_all(1, "\r\x1b[K");
        give_back();
        shown = nullptr;
    }

    // As it was before. Async-signal-safe.
    static void give_back() {
        if (!s_taken) return;
        s_taken = 0;
        ::tcsetattr(0, TCSADRAIN, &s_before);
        write_all(1, "\x1b[?2004l");
    }

    // Shows whole lines, above the one that is being typed.
    void print(std::string_view lines) {
        write_all(1, "\r\x1b[K" + std::string(lines) + "\n" + drawn());
    }

    // The next line, without its end; nothing at Ctrl+C, Ctrl+D on an empty line, or the end of the terminal.
    weir::task<std::optional<std::string>> read_line() {
        for (;;) {
            const outcome came = take_keys();
            if (came == outcome::ended) co_return std::nullopt;
            if (came == outcome::entered) {
                std::string line = std::exchange(x_line, std::string());
                x_at = 0;
                remember(line);
                write_all(1, drawn());
                co_return line;
            }
            write_all(1, drawn());
            const bool ready = co_await x_in.ready(POLLIN);
            char keys[4096];
            const ssize_t count = ready ? ::read(0, keys, sizeof keys) : 0;
            if (count <= 0) co_return std::nullopt;
            x_keys.append(keys, static_cast<std::size_t>(count));
        }
    }

private:
    enum class outcome { more, entered, ended };
    static constexpr std::size_t most_remembered = 1000;

    static void take() {
        termios raw = s_before;
        raw.c_iflag &= ~static_cast<tcflag_t>(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
        raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN | ISIG);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        s_taken = 1;
        ::tcsetattr(0, TCSADRAIN, &raw);
        write_all(1, "\x1b[?2004h"); // pasted text comes marked as such
    }
    static void die(int number) {
        give_back();
        ::signal(number, SIG_DFL);
        ::raise(number);
    }
    void suspend() {
        write_all(1, "\r\x1b[K");
        give_back();
        ::kill(0, SIGTSTP); // as the terminal would; goes on here
        take();
    }

    // --- keys ---

    outcome take_keys() {
        while (const std::size_t size = key_size(x_keys)) {
            const std::string key = x_keys.substr(0, size);
            x_keys.erase(0, size);
            if (key == "\x1b[200~" || key == "\x1b[201~") {
                x_pasting = key[4] == '0';
            } else if (x_pasting) {
                insert(key == "\r" ? "\n" : key); // several lines are one message
            } else if (const outcome came = press(key); came != outcome::more) {
                return came;
            }
        }
        return outcome::more;
    }

    // How much of the input is the first key; 0 while it is not there as a whole.
    static std::size_t key_size(std::string_view keys) {
        if (keys.empty()) return 0;
        if (keys[0] != '\x1b') {
            const auto lead = static_cast<unsigned char>(keys[0]);
            const std::size_t size = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
            return size <= keys.size() ? size : 0;
        }
        if (keys.size() < 2) return 0;
        if (keys[1] == 'O') return keys.size() < 3 ? 0 : 3;
        if (keys[1] != '[') return 2;
        for (std::size_t at = 2; at < keys.size(); ++at)
            if (keys[at] >= 0x40 && keys[at] <= 0x7E) return at + 1;
        return keys.size() > 32 ? keys.size() : 0;
    }

    outcome press(const std::string& key) {
        const auto is = [&](std::initializer_list<const char*> any) {
            return std::find(any.begin(), any.end(), key) != any.end();
        };
        if (is({"\r", "\n"})) return outcome::entered;
        if (is({"\x03"}) || (is({"\x04"}) && x_line.empty())) return outcome::ended;
        if (is({"\x02", "\x1b[D", "\x1bOD"})) x_at = before(x_at);
        else if (is({"\x06", "\x1b[C", "\x1bOC"})) x_at = after(x_at);
        else if (is({"\x01", "\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"})) x_at = 0;
        else if (is({"\x05", "\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"})) x_at = x_line.size();
        else if (is({"\x1b" "b", "\x1b[1;5D", "\x1b[1;3D"})) x_at = word_before();
        else if (is({"\x1b" "f", "\x1b[1;5C", "\x1b[1;3C"})) x_at = word_after();
        else if (is({"\x7f", "\x08"})) cut(before(x_at), x_at);
        else if (is({"\x04", "\x1b[3~"})) cut(x_at, after(x_at));
        else if (is({"\x17", "\x1b\x7f"})) cut(word_before(), x_at);
        else if (is({"\x15"})) cut(0, x_at);
        else if (is({"\x0b"})) cut(x_at, x_line.size());
        else if (is({"\x10", "\x1b[A", "\x1bOA"})) recall(-1);
        else if (is({"\x0e", "\x1b[B", "\x1bOB"})) recall(+1);
        else if (is({"\x0c"})) write_all(1, "\x1b[H\x1b[2J");
        else if (is({"\x1a"})) suspend();
        else if (key[0] != '\x1b') insert(key);
        return outcome::more;
    }

    void insert(const std::string& key) {
        std::size_t bytes;
        const auto each = first_character(key, bytes);
        if (!each || bytes != key.size() || (is_control(*each) && *each != U'\n' && *each != U'\t')) return;
        x_line.insert(x_at, key);
        x_at += key.size();
    }
    void cut(std::size_t from, std::size_t to) {
        x_line.erase(from, to - from);
        x_at = from;
    }
    void remember(const std::string& line) {
        if (!line.empty() && (x_before.empty() || x_before.back() != line)) x_before.push_back(line);
        if (x_before.size() > most_remembered) x_before.erase(x_before.begin());
        x_recalled = x_before.size();
    }
    void recall(int step) {
        const std::size_t next = x_recalled + static_cast<std::size_t>(step);
        if (next > x_before.size()) return; // also before the first one
        if (x_recalled == x_before.size()) x_draft = x_line;
        x_recalled = next;
        x_line = next == x_before.size() ? x_draft : x_before[next];
        x_at = x_line.size();
    }

    // --- places in the line, always between two characters; marks above a letter go with it ---

    std::size_t after(std::size_t at) const {
        for (bool first = true; at < x_line.size(); first = false) {
            std::size_t bytes;
            const auto each = first_character(std::string_view(x_line).substr(at), bytes);
            if (!first && width_of(*each) > 0) break;
            at += bytes;
        }
        return at;
    }
    std::size_t before(std::size_t at) const {
        while (at > 0) {
            do --at;
            while (at > 0 && (static_cast<unsigned char>(x_line[at]) & 0xC0) == 0x80);
            std::size_t bytes;
            if (width_of(*first_character(std::string_view(x_line).substr(at), bytes)) > 0) break;
        }
        return at;
    }
    std::size_t word_before() const {
        std::size_t at = x_at;
        while (at > 0 && std::isspace(static_cast<unsigned char>(x_line[at - 1]))) --at;
        while (at > 0 && !std::isspace(static_cast<unsigned char>(x_line[at - 1]))) --at;
        return at;
    }
    std::size_t word_after() const {
        std::size_t at = x_at;
        while (at < x_line.size() && std::isspace(static_cast<unsigned char>(x_line[at]))) ++at;
        while (at < x_line.size() && !std::isspace(static_cast<unsigned char>(x_line[at]))) ++at;
        return at;
    }

    // --- drawing ---

    static int width_of(char32_t each) {
        if (is_control(each)) return 1;
        const int width = ::wcwidth(static_cast<wchar_t>(each));
        return width < 0 ? 1 : width;
    }

    // The bytes that draw the line as it is, or the part of it around the cursor that fits.
    std::string drawn() {
        winsize size{};
        if (::ioctl(1, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size.ws_col = 80;
        const std::size_t room = size.ws_col > 8 ? size.ws_col - 3u : 5u; // behind the prompt, and one for the cursor
        std::size_t cursor = 0, column = 0, bytes;
        for (std::size_t at = 0; at < x_at; at += bytes)
            cursor += static_cast<std::size_t>(width_of(*first_character(std::string_view(x_line).substr(at), bytes)));
        if (cursor < x_left) x_left = cursor;
        if (cursor > x_left + room) x_left = cursor - room;
        std::string made = "\r" + painted(paint::cyan, ">", 1) + " ";
        for (std::size_t at = 0; at < x_line.size(); at += bytes) {
            const char32_t each = *first_character(std::string_view(x_line).substr(at), bytes);
            const auto width = static_cast<std::size_t>(width_of(each));
            if (column >= x_left && column + width <= x_left + room)
                made += each == U'\n' ? "\u21b5" : each == U'\t' ? " " : x_line.substr(at, bytes);
            else if (column < x_left && column + width > x_left)
                made += ' '; // the right half of a wide one
            column += width;
        }
        return made + "\x1b[K\r\x1b[" + std::to_string(2 + cursor - x_left) + "C";
    }

    static inline termios s_before{};
    static inline volatile std::sig_atomic_t s_taken = 0;

    descriptor x_in;
    std::string x_keys; // that were not looked at
    std::string x_line;
    std::size_t x_at = 0;   // where the cursor is, in bytes
    std::size_t x_left = 0; // how many columns have gone out on the left
    std::vector<std::string> x_before;
    std::size_t x_recalled = 0;
    std::string x_draft; // what was typed when others were recalled
    bool x_pasting = false;
};

// ---------------------------------------------------------------------------------------------------------------------------
// Progress, and notes

// A line on stderr while much is sent or received, where that is a terminal that shows nothing else.
class progress {
public:
    static inline progress* shown = nullptr;

    // `to_send`: how much, where that is known.
    progress(bool wanted, std::optional<std::uint64_t> to_send) : x_wanted(wanted), x_began(clock_type::now()) {
        x_out.total = to_send;
        if (wanted) shown = this;
    }
    ~progress() {
        clear();
        shown = nullptr;
    }

    void sent(std::size_t bytes) { x_out.bytes += bytes; }
    void received(std::size_t bytes) { x_in.bytes += bytes; }
    void will_receive(std::uint64_t bytes) { x_in.total = x_in.bytes + bytes; } // in one frame

    weir::task<> show() {
        while (x_wanted) {
            const auto slept = co_await weir::sleep(200ms);
            if (!slept) co_return;
            x_out.measure();
            x_in.measure();
            if (clock_type::now() - x_began > 1s) draw();
        }
    }

    void clear() {
        if (std::exchange(x_drawn, false)) write_all(2, "\r\x1b[K");
    }

private:
    struct direction {
        std::uint64_t bytes = 0, seen = 0;
        std::optional<std::uint64_t> total;
        double rate = 0; // bytes a second, of late

        void measure() {
            const double now = 5.0 * static_cast<double>(bytes - std::exchange(seen, bytes));
            rate = rate == 0 ? now : 0.8 * rate + 0.2 * now;
        }
        std::string text(const char* what) const {
            if (bytes == 0) return {};
            std::string made = std::string(what) + " " + size_text(static_cast<double>(bytes));
            if (total && *total >= bytes && *total > 0) {
                const double part = static_cast<double>(bytes) / static_cast<double>(*total);
                std::string bar(static_cast<std::size_t>(part * 20), '=');
                bar.resize(20, ' ');
                made += " of " + size_text(static_cast<double>(*total)) + " [" + bar + "] " + text_of("%.0f %%", 100 * part);
                if (rate > 0 && bytes < *total) made += ", " + time_left(static_cast<double>(*total - bytes) / rate);
            }
            return made + ", " + size_text(rate) + "/s";
        }
        static std::string time_left(double seconds) {
            const auto all = static_cast<unsigned long long>(std::min(seconds, 1e8));
            char made[32];
            std::snprintf(made, sizeof made, "%llu:%02llu left", all / 60, all % 60);
            return made;
        }
    };

    void draw() {
        winsize size{};
        if (::ioctl(2, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size.ws_col = 80;
        std::string line = x_out.text("sent");
        const std::string in = x_in.text("received");
        line += (line.empty() || in.empty() ? "" : "; ") + in;
        write_all(2, "\r\x1b[K" + line.substr(0, size.ws_col - 1u));
        x_drawn = true;
    }

    bool x_wanted, x_drawn = false;
    clock_type::time_point x_began;
    direction x_out, x_in;
};

// Says something that is no message: above the line that is typed, or on stderr. Of others' text only what `escaped` made of it.
void note(paint how, std::string_view text) {
    if (terminal::shown) return terminal::shown->print(painted(how, text, 1));
    if (progress::shown) progress::shown->clear();
    write_all(2, painted(how, text, 2) + "\n");
}

// ---------------------------------------------------------------------------------------------------------------------------
// The wire

struct frame {
    bool sent;
    weir::ws::frame_header header;
    std::string_view beginning; // of the payload, unmasked; of a control frame all of it
};

// Watches the bytes of connections: shows them where that is wished for, and tells whoever derives from it of each frame. weir
// puts it between the protocol and the stream below, and TLS.
class wire : public weir::io::stream_layer {
public:
    explicit wire(bool verbose) : x_verbose(verbose) {}
    virtual ~wire() = default;

    weir::owned<weir::io::stream> put_over(weir::owned<weir::io::stream> below) noexcept final;

    void saw(const frame& one);
    void saw_head(std::string_view head, bool sent) const;

protected:
    virtual void on_frame(const frame&) {}

private:
    static std::string content(const frame& of);

    bool x_verbose;
};

std::string wire::content(const frame& of) {
    std::string_view shown = of.beginning;
    if (of.header.type == opcode::close && shown.size() >= 2) {
        const auto code = weir::load_big_endian<std::uint16_t>(weir::as_bytes(shown).data());
        shown.remove_prefix(2);
        return " " + std::to_string(code) + (shown.empty() ? "" : " \"" + escaped(shown) + "\"");
    }
    const std::size_t most = of.header.type == opcode::text && !of.header.reserved_bits ? 48 : 16;
    const bool cut = of.header.payload_bytes > most;
    shown = weir::truncate_utf8(shown, most);
    if (shown.empty()) return {};
    const bool is_text = most == 48 || (of.header.type != opcode::binary && of.header.type != opcode::text && !of.header.reserved_bits &&
                                        weir::is_utf8(weir::as_bytes(shown)));
    return " " + (is_text ? "\"" + escaped(shown) + "\"" : in_hex(shown)) + (cut ? " ..." : "");
}

void wire::saw(const frame& one) {
    if (x_verbose) {
        constexpr const char* names[] = {"more", "text", "binary", "3", "4", "5", "6", "7", "close", "ping", "pong", "11", "12", "13",
                                         "14", "15"};
        std::string line = one.sent ? "> " : "< ";
        line += names[static_cast<unsigned>(one.header.type) & 15];
        line += one.header.fin ? " fin" : "";
        if (one.header.reserved_bits == 4) line += " compressed";
        else if (one.header.reserved_bits) line += " rsv=" + std::to_string(one.header.reserved_bits);
        line += one.header.masked ? " masked " : " ";
        note(paint::dim, line + std::to_string(one.header.payload_bytes) + " B" + content(one));
    }
    on_frame(one);
}

void wire::saw_head(std::string_view head, bool sent) const {
    if (!x_verbose) return;
    while (head.find("\r\n") != head.npos) {
        const std::string_view line = head.substr(0, head.find("\r\n"));
        head.remove_prefix(line.size() + 2);
        note(paint::dim, (sent ? "> " : "< ") + escaped(line));
    }
}

// One direction of a connection: heads of HTTP, and once there was one that makes it a WebSocket, frames.
class direction {
public:
    explicit direction(bool sent) : x_sent(sent) {}

    void follow(weir::bytes_view bytes, wire& tells) {
        if (x_stage == stage::body && weir::as_text(bytes).starts_with("HTTP/1.")) x_stage = stage::head;
        while (!bytes.empty()) {
            switch (x_stage) {
            case stage::head: bytes = take_head(bytes, tells); break;
            case stage::header: bytes = take_header(bytes); break;
            case stage::payload: bytes = take_payload(bytes); break;
            case stage::body: return; // and what makes no sense
            }
            if (x_stage == stage::payload && !x_told && x_beginning.size() == shown_size()) {
                x_told = true;
                tells.saw({x_sent, x_frame, x_beginning});
            }
            if (x_stage == stage::payload && x_left == 0) x_stage = stage::header;
        }
    }

private:
    enum class stage { head, header, payload, body };
    static constexpr std::size_t most_head_bytes = 64 * 1024;

    weir::bytes_view take_head(weir::bytes_view bytes, wire& tells) {
        while (!bytes.empty()) {
            x_head += static_cast<char>(bytes[0]);
            bytes = bytes.subspan(1);
            if (!x_head.ends_with("\r\n\r\n") && x_head.size() < most_head_bytes) continue;
            tells.saw_head(x_head, x_sent);
            if (x_head.starts_with("HTTP/1.1 101"))
                x_stage = stage::header;
            else if (x_head.starts_with("HTTP/") || x_head.size() == most_head_bytes)
                x_stage = stage::body;
            else if (std::transform(x_head.begin(), x_head.end(), x_head.begin(), [](unsigned char c) { return std::tolower(c); });
                     x_head.find("\r\nupgrade: websocket\r\n") != x_head.npos)
                x_stage = stage::header; // what else may come from a client that asked for it
            x_head.clear();
            break;
        }
        return bytes;
    }

    weir::bytes_view take_header(weir::bytes_view bytes) {
        x_header[x_held++] = bytes[0];
        const auto found = weir::ws::decode({x_header, x_held}, x_frame);
        if (found.failure != weir::errc{}) x_stage = stage::body;
        if (found.size) {
            x_stage = stage::payload;
            x_left = x_frame.payload_bytes;
            x_held = 0;
            x_told = false;
            x_beginning.clear();
        }
        return bytes.subspan(1);
    }

    weir::bytes_view take_payload(weir::bytes_view bytes) {
        const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(x_left, bytes.size()));
        for (std::size_t at = 0; at < here && x_beginning.size() < shown_size(); ++at)
            x_beginning += static_cast<char>(bytes[at] ^ (x_frame.masked ? x_frame.key.bytes[x_beginning.size() % 4] : std::byte{}));
        x_left -= here;
        return bytes.subspan(here);
    }

    std::size_t shown_size() const {
        return static_cast<std::size_t>(std::min<std::uint64_t>(x_frame.payload_bytes, weir::ws::max_control_bytes));
    }

    bool x_sent;
    stage x_stage = stage::head;
    std::string x_head;
    std::byte x_header[weir::ws::frame_header::max_bytes];
    std::size_t x_held = 0;
    weir::ws::frame_header x_frame;
    std::uint64_t x_left = 0; // of the frame's payload
    std::string x_beginning;
    bool x_told = false;
};

// A stream that hands everything on, both ways, and looks at it.
class watched_stream final : public weir::io::stream, private weir::io::stream_observer {
    using status = weir::io::status;

public:
    watched_stream(weir::owned<weir::io::stream> below, wire& by) : x_below(std::move(below)), x_by(by) { x_below->observe(this); }

    status connected() noexcept override { return noted(x_below->connected()); }
    status fill(weir::io::lease& into) noexcept override {
        const status came = noted(x_below->fill(into));
        if (came == status::ready) x_in.follow(into.bytes, x_by);
        return came;
    }
    void release(weir::io::lease&& unused) noexcept override { x_below->release(std::move(unused)); }
    std::size_t write(std::span<const weir::bytes_view> pieces) noexcept override {
        const std::size_t taken = x_below->write(pieces);
        noted(status::ready);
        std::size_t left = taken;
        for (const weir::bytes_view each : pieces) {
            x_out.follow(each.first(std::min(each.size(), left)), x_by);
            left -= std::min(each.size(), left);
        }
        return taken;
    }
    void shutdown_write() noexcept override {
        x_below->shutdown_write();
        noted(status::ready);
    }
    void close() noexcept override { x_below->close(); }
    void reset() noexcept override { x_below->reset(); }
    std::size_t bytes_under_way() const noexcept override { return x_below->bytes_under_way(); }
    std::string failure_detail() const override { return x_below->failure_detail(); }
    int descriptor() const noexcept override { return x_below->descriptor(); }

private:
    status noted(status came) noexcept {
        x_failure = x_below->failure();
        x_drained = x_below->drained();
        x_received_ahead = x_below->received_ahead();
        return came;
    }
    void on_readable() noexcept override {
        if (x_observer) x_observer->on_readable();
    }
    void on_writable() noexcept override {
        noted(status::ready);
        if (x_observer) x_observer->on_writable();
    }

    weir::owned<weir::io::stream> x_below;
    wire& x_by;
    direction x_in{false}, x_out{true};
};

weir::owned<weir::io::stream> wire::put_over(weir::owned<weir::io::stream> below) noexcept {
    if (x_verbose)
        if (const std::string peer = weir::net::peer_name(*below); !peer.empty()) note(paint::dim, "* connected with " + escaped(peer));
    return weir::make_owned<watched_stream>(std::move(below), *this);
}

// ---------------------------------------------------------------------------------------------------------------------------
// Opening connections, and how they end

// The settings of a connection that both sides have.
weir::websocket_options connection_options(const settings& of) {
    weir::websocket_options made;
    made.close_timeout = of.timeout;
    if (of.most_bytes) made.message_bytes = static_cast<std::size_t>(*of.most_bytes);
#if defined(WEIR_WITH_ZLIB)
    if (of.compress) made.compression = weir::permessage_deflate;
#endif
    return made;
}

#if defined(WEIR_WITH_OPENSSL)
weir::tls_certificate own_certificate(const settings& of) { return {.chain_file = of.certificate, .key_file = of.key}; }

weir::tls_client_options tls_options(const settings& of) {
    weir::tls_client_options made;
    made.authorities.file = of.authorities;
    made.certificate = own_certificate(of);
    if (of.insecure) made.trust = weir::tls_trust::anybody;
    return made;
}
#endif

// Opens connections as the settings have it.
class dialer {
public:
    dialer(const settings& by, weir::io::stream_layer* layer)
        : x_by(by)
#if defined(WEIR_WITH_OPENSSL)
        , x_tls(tls_options(by))
#endif
    {
        x_how.headers = by.headers;
        x_how.subprotocols = by.subprotocols;
        x_how.timeout = by.timeout;
        x_how.redirects = static_cast<unsigned>(by.redirects);
        x_how.socket_path = by.unix_path;
        x_how.layer = layer;
        x_how.websocket = connection_options(by);
#if defined(WEIR_WITH_OPENSSL)
        x_how.tls = &x_tls;
        if (by.insecure) note(paint::yellow, "ws: --insecure: the server need not prove who it is, and anybody may listen in");
#endif
#if defined(WEIR_WITH_PROXY)
        if (by.proxy == "env") x_how.proxy = weir::proxy_of_environment();
        else if (!by.proxy.empty()) x_how.proxy = weir::proxy(by.proxy);
#endif
    }

    weir::task<weir::result<weir::websocket>> dial() { return weir::connect(x_by.url, x_how); }

private:
    const settings& x_by;
#if defined(WEIR_WITH_OPENSSL)
    weir::tls_client x_tls;
#endif
    weir::connect_options x_how;
};

// Says why there is no connection, and with which code the program ends.
int not_opened(const weir::error& why) {
    if (why == weir::errc::canceled) return interrupted;
    note(paint::red, "ws: " + escaped(why.message()));
    return why == weir::condition::timeout ? timed_out : failed;
}

// Who closed, with which code and reason, on one line.
std::string end_text(const weir::close_info& end) {
    std::string text(weir::to_text(end.cause));
    const bool unanswered = end.unanswered.count() > 0;
    if (unanswered) text = "the other side did not answer our close within " + text_of("%.3g s", milliseconds(end.unanswered) / 1000);
    if (end.cause == weir::close_cause::local && !unanswered) text = "closed by this side";
    text += ": " + std::to_string(static_cast<unsigned>(end.code)) + " (" + weir::ws::describe(end.code) + ")";
    if (!end.reason.empty()) text += " \"" + end.reason + "\"";
    if (end.error && !unanswered) text += ", " + end.error.message();
    return escaped(text);
}

int code_of(const weir::close_info& end) {
    switch (end.cause) {
    case weir::close_cause::local: return end.error ? failed : in_order;
    case weir::close_cause::peer:
        return end.code == close_code::normal || end.code == close_code::going_away || end.code == close_code::no_status
            ? in_order : refused_by_code;
    case weir::close_cause::timeout: return timed_out;
    default: return failed;
    }
}

// ---------------------------------------------------------------------------------------------------------------------------
// What goes in and out

// Makes messages of stdin, of a file, or of what is typed.
class input {
public:
    explicit input(const settings& by) : x_by(by) {
        if (terminal::is_there() && by.file.empty() && !by.how && !by.binary && !by.receive) x_typed.emplace();
        else if (by.file.empty()) x_source.emplace(0);
        else x_file = weir::io::unique_descriptor(::open(std::string(by.file).c_str(), O_RDONLY | O_CLOEXEC));
        if (!by.file.empty() && !x_file) x_wrong = std::string(by.file) + ": " + std::strerror(errno);
        struct stat found {};
        if (::fstat(number(), &found) == 0 && S_ISREG(found.st_mode)) {
            const off_t begin = ::lseek(number(), 0, SEEK_CUR);
            if (begin >= 0 && begin <= found.st_size) x_total = static_cast<std::uint64_t>(found.st_size - begin);
        }
    }

    bool is_typed() const { return x_typed.has_value(); }
    std::optional<std::uint64_t> total() const { return x_total; }

    // What is wrong with the input, if anything is.
    const std::string& wrong() const { return x_wrong; }

    // The next message, or a piece of one that is long. Valid until the next call. Nothing at the end.
    weir::task<std::optional<weir::piece>> next() {
        std::optional<weir::piece> found;
        if (!x_wrong.empty()) co_return found;
        if (x_typed) {
            auto line = co_await x_typed->read_line();
            if (!line) co_return found;
            x_now = std::move(*line);
            found = cut(x_now, true);
            co_return found;
        }
        for (;;) {
            found = take();
            if (found || x_ended) break;
            const bool more = co_await receive();
            if (!more) co_return found;
        }
        if (found && found->is_text && !is_utf8(*found)) {
            x_wrong = "message " + std::to_string(x_count) + " of the input is not UTF-8: send it with --binary";
            found.reset();
        }
        co_return found;
    }

private:
    static constexpr std::size_t most_bytes = 64 * 1024;

    int number() const { return x_file ? x_file.get() : 0; }

    // More of the source, behind what is left. False when the wait was cancelled.
    weir::task<bool> receive() {
        if (x_source) {
            const bool ready = co_await x_source->ready(POLLIN);
            if (!ready) co_return false;
        }
        x_ahead.resize(most_bytes);
        const ssize_t count = ::read(number(), x_ahead.data(), x_ahead.size());
        if (count < 0 && errno != EINTR) x_wrong = std::string("reading the input: ") + std::strerror(errno);
        x_ahead.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        x_ended = count == 0 || !x_wrong.empty();
        co_return true;
    }

    // What can be sent of what was received.
    std::optional<weir::piece> take() {
        const framing form = x_by.form();
        if (form == framing::reads) {
            if (x_ahead.empty()) return std::nullopt;
            x_now = std::exchange(x_ahead, std::string());
            return cut(x_now, true);
        }
        if (form == framing::whole) { // one read behind, to know which is the last
            if (!x_wrong.empty() || x_done || (x_ahead.empty() && !x_ended)) return std::nullopt;
            const bool has_some = x_began || x_ended;
            x_began = true;
            x_now = std::exchange(x_held, std::exchange(x_ahead, std::string()));
            if (!has_some) return std::nullopt;
            x_done = x_ended;
            return cut(x_now, x_ended);
        }
        x_left += std::exchange(x_ahead, std::string());
        const std::size_t end = x_left.find(form == framing::nulls ? '\0' : '\n', x_used);
        if (end != x_left.npos) {
            const std::string_view line = std::string_view(x_left).substr(x_used, end - x_used);
            x_used = end + 1;
            return cut(line, true);
        }
        x_left.erase(0, std::exchange(x_used, 0));
        if (x_left.size() < most_bytes && !x_ended) return std::nullopt;
        if (x_left.empty() && !x_inside) return std::nullopt;
        x_now = std::exchange(x_left, std::string());
        return cut(x_now, x_ended);
    }

    weir::piece cut(std::string_view text, bool last) {
        const bool first = !x_inside;
        x_count += first;
        x_inside = !last;
        return {weir::as_bytes(text), !x_by.binary, first, last};
    }

    bool is_utf8(const weir::piece& one) {
        if (one.first) x_text.reset();
        return x_text.update(one.payload) && (!one.last || x_text.complete());
    }

    const settings& x_by;
    std::optional<terminal> x_typed;
    std::optional<descriptor> x_source; // stdin, that one may have to wait for
    weir::io::unique_descriptor x_file;
    std::optional<std::uint64_t> x_total;
    std::string x_ahead; // as it was read
    std::string x_held;  // of a whole message: what was read before
    std::string x_left;  // of lines: what has not been used, from x_used on
    std::size_t x_used = 0;
    std::string x_now;   // what was handed out last
    bool x_ended = false, x_began = false, x_done = false, x_inside = false;
    std::uint64_t x_count = 0;
    weir::utf8_validator x_text;
    std::string x_wrong;
};

// Shows messages at a terminal, or writes them to stdout.
class output {
public:
    explicit output(const settings& by) : x_by(by), x_out(1), x_shows(is_terminal(1)), x_steps(!is_file(1)) {}

    // Why nothing can be written any more; empty while all is well, or when the reader has just gone.
    const std::string& wrong() const { return x_wrong; }
    bool is_gone() const { return x_gone; }

    // Takes a piece of a message; waits while stdout is slow. `from` stands before it on a terminal. False: stdout takes no more.
    weir::task<bool> take(const weir::piece& one, std::string_view from) {
        if (one.first) { // messages of several senders come one after the other
            while (x_busy) {
                x_free.reset();
                const auto told = co_await x_free.wait();
                if (!told) co_return false;
            }
            x_busy = true;
        }
        bool good = true;
        if (x_shows) {
            if (one.first) x_message.clear(), x_size = 0;
            x_size += one.payload.size();
            if (x_message.size() < most_shown)
                x_message += weir::as_text(one.payload).substr(0, most_shown - x_message.size());
            if (one.last) show("<", one.is_text, from);
        } else {
            if (one.first && x_by.times.value_or(false)) {
                const std::string time = time_now() + " ";
                good = co_await write(weir::as_bytes(time));
            }
            if (good) good = co_await write(one.payload);
            const std::string_view end = x_by.form() == framing::lines ? "\n" : std::string_view("\0", x_by.form() == framing::nulls);
            if (good && one.last && !end.empty()) good = co_await write(weir::as_bytes(end));
        }
        if (one.last || !good) {
            x_busy = false;
            x_free.set();
        }
        co_return good;
    }

    // What was typed, as it went out.
    void typed(std::string_view line) {
        x_message = line;
        x_size = line.size();
        show(">", true, {});
    }

private:
    static constexpr std::size_t most_shown = 64 * 1024, most_dumped = 64;

    static bool is_file(int number) {
        struct stat found {};
        return ::fstat(number, &found) == 0 && S_ISREG(found.st_mode);
    }

    void show(std::string_view mark, bool is_text, std::string_view from) {
        std::string time = x_by.times.value_or(true) ? time_now() + " " : "";
        const std::string who = std::string(from) + std::string(mark) + " ";
        const std::string indent(time.size() + who.size(), ' ');
        std::string line = painted(paint::dim, time, 1) + painted(mark == "<" ? paint::green : paint::cyan, who, 1);
        std::string_view shown = x_message;
        if (is_text) {
            shown = weir::truncate_utf8(shown, shown.size() - (x_size > shown.size() ? 3 : 0));
            line += escaped(shown, &indent);
        } else {
            shown = shown.substr(0, most_dumped);
            line += painted(paint::yellow, "binary, " + count_text(x_size, "byte"), 1);
            if (!shown.empty()) line += "\n" + hex_dump(shown, "  ");
        }
        if (x_size > shown.size())
            line += "\n" + indent + painted(paint::dim, "and " + count_text(x_size - shown.size(), "byte") + " more", 1);
        if (terminal::shown) terminal::shown->print(line);
        else write_all(1, line + "\n");
    }

    weir::task<bool> write(weir::bytes_view bytes) {
        while (!bytes.empty()) {
            const bool ready = co_await x_out.ready(POLLOUT);
            if (!ready) co_return false;
            const std::size_t most = x_steps ? PIPE_BUF : bytes.size(); // a pipe that is ready takes so much without blocking
            const ssize_t count = ::write(1, bytes.data(), std::min(most, bytes.size()));
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) {
                x_gone = true;
                if (errno != EPIPE) x_wrong = std::string("writing to stdout: ") + std::strerror(errno);
                co_return false;
            }
            bytes = bytes.subspan(static_cast<std::size_t>(count));
        }
        co_return true;
    }

    const settings& x_by;
    descriptor x_out;
    bool x_shows, x_steps;
    bool x_busy = false, x_gone = false;
    weir::event x_free;
    std::string x_message; // its beginning
    std::uint64_t x_size = 0;
    std::string x_wrong;
};

// Those who are at the other end: a server, or our clients.
class audience {
public:
    struct peer {
        peer(weir::websocket& to, std::string called) : ws(to), name(std::move(called)) {}

        weir::websocket& ws;
        std::string name; // that stands before what it says
        bool follows = false; // the message that is being sent, since it was there when that began
        unsigned uses = 0;
        weir::event unused;
    };

    // As long as it lives, who is there is sent what goes to all.
    class seat {
    public:
        seat(audience& in, weir::websocket& ws, std::string name) : x_in(in), x_number(++in.x_last), x_peer(ws, std::move(name)) {
            in.x_peers.emplace(x_number, &x_peer);
            in.x_somebody.set();
        }
        seat(const seat&) = delete;
        ~seat() { leave(); }
        const std::string& name() const { return x_peer.name; }

        // To be awaited before the websocket goes.
        weir::task<> left() {
            leave();
            while (x_peer.uses > 0) {
                const auto told = co_await x_peer.unused.wait();
                if (!told) co_return;
            }
        }

    private:
        void leave() {
            x_in.x_peers.erase(x_number);
            if (x_in.x_peers.empty()) x_in.x_somebody.reset();
        }
        audience& x_in;
        unsigned x_number;
        peer x_peer;
    };

    bool empty() const { return x_peers.empty(); }

    // Until there is somebody. False when the coroutine was cancelled.
    weir::task<bool> somebody() {
        const auto told = co_await x_somebody.wait();
        co_return static_cast<bool>(told);
    }

    // To all, and waits for the slowest. Whether all have taken it.
    weir::task<bool> send(const weir::piece& one) {
        bool good = true;
        for (auto each = x_peers.begin(); each != x_peers.end();) {
            const unsigned number = each->first;
            peer& to = *each->second;
            if (one.first) to.follows = true;
            if (to.follows) {
                ++to.uses;
                if (one.first && one.last) {
                    const weir::message whole(one.payload, one.is_text);
                    const auto sent = co_await to.ws.send(whole);
                    good = good && sent;
                } else {
                    const auto sent = co_await to.ws.send_frame(one);
                    good = good && sent;
                }
                if (--to.uses == 0) to.unused.set();
            }
            each = x_peers.upper_bound(number);
        }
        co_return good;
    }

    // Until all of it has left.
    weir::task<bool> sent() {
        for (;;) {
            std::size_t queued = 0;
            for (const auto& each : x_peers) queued += each.second->ws.queued_bytes();
            if (queued == 0) co_return true;
            const auto slept = co_await weir::sleep(5ms);
            if (!slept) co_return false;
        }
    }

    void ping(std::string_view payload) {
        for (const auto& each : x_peers) each.second->ws.ping(payload);
    }
    void close() {
        for (const auto& each : x_peers) each.second->ws.close();
    }

private:
    std::map<unsigned, peer*> x_peers;
    unsigned x_last = 0;
    weir::event x_somebody;
};

// ---------------------------------------------------------------------------------------------------------------------------
// Talking

constexpr std::string_view last_words = "ws: end of input";

// Everything that a conversation has, with a server or with clients.
class conversation final : public wire {
public:
    explicit conversation(const settings& by)
        : wire(by.verbose), how(by), stop(terminal::give_back), in(by), out(by),
          bar(is_terminal(2) && !is_terminal(1) && has_cursor() && !in.is_typed(), in.total()) {}

    const settings& how;
    interruption stop;
    input in;
    output out;
    progress bar;
    audience others;
    weir::event news;       // something came, or was shown
    weir::event all_heard;  // the other side has read what was sent before the end
    bool showing = false;
    bool saying = false;        // in the middle of a message, or waiting for room for one
    std::uint64_t received = 0; // messages
    bool fell_silent = false;

private:
    void on_frame(const frame& one) override {
        if (one.sent) return;
        if (one.header.type == opcode::pong && one.beginning == last_words) all_heard.set();
        if (one.header.payload_bytes > 1024 * 1024) bar.will_receive(one.header.payload_bytes);
    }
};

// Shows what somebody says, until the connection is over, enough has come, or stdout takes no more.
weir::task<> hear(conversation& all, weir::websocket& ws, std::string_view from) {
    std::uint64_t size = 0;
    while (auto piece = co_await ws.read_frame()) {
        size += piece->payload.size();
        all.bar.received(piece->payload.size());
        if (all.how.most_bytes && size > *all.how.most_bytes) {
            ws.close(close_code::message_too_big, "over the limit of " + std::to_string(*all.how.most_bytes) + " bytes");
            co_return;
        }
        all.showing = true;
        const bool good = co_await all.out.take(*piece, from);
        all.showing = false;
        all.news.set();
        if (!good) co_return;
        if (!piece->last) continue;
        size = 0;
        if (++all.received == all.how.count) co_return;
    }
}

// After the end of the input: what was sent has arrived, and then nothing has come for as long as one has to wait.
weir::task<bool> silence(conversation& all, nanoseconds wait) {
    const bool sent = co_await all.others.sent();
    if (!sent || wait == forever) co_return false;
    all.others.ping(last_words);
    const auto heard = co_await all.all_heard.wait();
    if (!heard) co_return false;
    for (;;) {
        all.news.reset();
        const auto more = co_await all.news.wait().within(wait);
        if (more || all.showing) continue;
        co_return more.error() == weir::errc::timed_out;
    }
}

// Sends what is typed or read, and closes when there is no more.
weir::task<> say(conversation& all) {
    const nanoseconds wait = all.how.wait.value_or(all.how.count || all.how.what == mode::listen ? forever : nanoseconds(1s));
    while (!all.how.receive) {
        if (!all.in.is_typed()) {
            const bool somebody = co_await all.others.somebody();
            if (!somebody) co_return;
        }
        auto piece = co_await all.in.next();
        if (!piece) break;
        if (all.in.is_typed() && piece->payload.empty()) continue;
        if (all.in.is_typed() && all.others.empty()) {
            note(paint::yellow, "nobody is there");
            continue;
        }
        if (all.in.is_typed()) all.out.typed(piece->text());
        all.saying = true;
        const bool good = co_await all.others.send(*piece);
        if (!good && all.how.what != mode::listen) co_return;
        all.saying = !piece->last;
        all.bar.sent(piece->payload.size());
    }
    if (!all.in.wrong().empty()) {
        note(paint::red, "ws: " + escaped(all.in.wrong()));
    } else if (!all.in.is_typed()) {
        const bool quiet = co_await silence(all, all.how.receive ? forever : wait);
        if (!quiet) co_return;
        all.fell_silent = true;
    }
    all.others.close();
}

// The first signal closes in order, the second one does not wait for that.
weir::task<> heed(interruption& stop, weir::websocket& ws) {
    const bool first = co_await stop.next();
    if (!first) co_return;
    ws.close();
    const bool second = co_await stop.next();
    if (second) ws.reset();
}

// How a conversation has ended, in the words of an exit code.
int verdict(const conversation& all, const weir::close_info& end) {
    const bool short_of = all.how.count && all.received < *all.how.count;
    if (!all.in.wrong().empty()) return misused;
    if (!all.out.wrong().empty()) return note(paint::red, "ws: " + all.out.wrong()), failed;
    const int code = code_of(end);
    if (all.in.is_typed() || code != in_order || all.how.verbose) note(code == in_order ? paint::dim : paint::red, end_text(end));
    if (all.stop.happened() && !all.in.is_typed()) return interrupted;
    if (code == in_order && end.cause == weir::close_cause::peer && all.saying && !all.in.is_typed())
        return note(paint::red, "ws: the other side closed before all of it was sent"), failed;
    if (code != in_order || all.out.is_gone() || !short_of || all.in.is_typed()) return code;
    note(paint::red, "ws: " + std::to_string(all.received) + " of " + count_text(*all.how.count, "message") + " came");
    return all.fell_silent ? timed_out : failed;
}

weir::task<int> talk(const settings& how) {
    conversation all(how);
    if (!all.in.wrong().empty()) co_return note(paint::red, "ws: " + escaped(all.in.wrong())), misused;
    dialer by(how, &all);
    auto ws = co_await weir::in_context(all.stop.until(), by.dial());
    if (!ws) co_return not_opened(ws.error());
    if (all.in.is_typed()) {
        std::string with;
        if (!ws->subprotocol().empty()) with += ", " + escaped(ws->subprotocol());
        if (!ws->extensions().empty()) with += ", " + escaped(ws->extensions());
        note(paint::dim, "connected to " + escaped(how.url) + with + "; Ctrl+D closes");
    }
    {
        audience::seat here(all.others, *ws, "");
        weir::scope work;
        work.spawn(say(all));
        work.spawn(heed(all.stop, *ws));
        work.spawn(all.bar.show());
        co_await hear(all, *ws, here.name());
        co_await ws->close();
        work.cancel();
        co_await work.join();
        co_await here.left();
    }
    all.bar.clear();
    co_return verdict(all, ws->closed());
}

// ---------------------------------------------------------------------------------------------------------------------------
// Serving

struct hall {
    explicit hall(const settings& by) : all(by) {}

    conversation all;
    weir::server server;
    unsigned came = 0;
    std::optional<int> code; // of the one client of --once
};

weir::task<> echo(weir::websocket& ws) {
    while (auto piece = co_await ws.read_frame()) co_await ws.send_frame(*piece);
}

// What several say at once comes as whole messages.
weir::task<> hear_whole(conversation& all, weir::websocket& ws, std::string_view from) {
    while (auto message = co_await ws.read()) {
        const weir::piece whole{message->bytes(), message->is_text(), true, true};
        const bool good = co_await all.out.take(whole, from);
        if (!good) co_return;
        all.news.set();
    }
}

weir::task<> receive_guest(hall& here, weir::exchange& http) {
    conversation& all = here.all;
    const settings& how = all.how;
    if (how.once && here.came > 0) co_return http.respond({weir::http::status::service_unavailable, "Somebody else is here.\n"});
    auto ws = co_await http.upgrade({.subprotocols = how.subprotocols, .origins = how.origins, .any_origin = how.any_origin()});
    if (!ws) co_return;
    const std::string number = "#" + std::to_string(++here.came);
    const bool tells = is_terminal(2) || how.verbose;
    if (tells) note(paint::dim, number + " came: " + escaped(ws->where()));
    {
        audience::seat seat(all.others, *ws, how.once ? "" : number + " ");
        if (how.echo) co_await echo(*ws);
        else if (how.once) co_await hear(all, *ws, seat.name());
        else co_await hear_whole(all, *ws, seat.name());
        co_await ws->close();
        co_await seat.left();
    }
    if (tells) note(paint::dim, number + " left: " + end_text(ws->closed()));
    if (how.once) here.code = verdict(all, ws->closed());
    if (how.once || all.out.is_gone()) here.server.stop();
}

weir::task<> attend(hall& here) {
    const std::string at = here.server.local_endpoint().to_string();
    note(paint::dim, "listening on " + (at.starts_with("unix:") ? at : (here.all.how.certificate.empty() ? "ws://" : "wss://") + at + "/"));
    if (!here.all.how.echo) co_await say(here.all);
    if (here.all.in.is_typed() || !here.all.in.wrong().empty() || here.all.fell_silent) here.server.stop();
}

weir::task<> heed_for_server(hall& here) {
    for (nanoseconds grace = here.all.how.timeout;; grace = 0ns) {
        const bool told = co_await here.all.stop.next();
        if (!told) co_return;
        here.server.stop(grace);
    }
}

// Takes "PORT", ":PORT", "HOST:PORT", "[HOST]:PORT" and "unix:PATH" apart.
bool parse_place(std::string_view text, weir::server_options& into) {
    if (text.starts_with("unix:")) return into.host = text, true;
    const std::size_t colon = text.rfind(':');
    into.host = colon == text.npos ? "localhost" : text.substr(0, colon);
    if (into.host.starts_with('[') && into.host.ends_with(']')) into.host = into.host.substr(1, into.host.size() - 2);
    std::uint64_t port = 0;
    if (!set_number(port, text.substr(colon == text.npos ? 0 : colon + 1), 0, 65535).empty()) return false;
    into.port = static_cast<int>(port);
    return true;
}

weir::task<int> listen(const settings& how) {
    hall here(how);
    weir::server_options options;
    if (!here.all.in.wrong().empty()) co_return note(paint::red, "ws: " + escaped(here.all.in.wrong())), misused;
    if (!parse_place(how.listen, options)) co_return misuse("--listen takes [HOST:]PORT or unix:PATH, not " + std::string(how.listen));
#if defined(WEIR_WITH_OPENSSL)
    std::optional<weir::tls_server> tls;
    if (!how.certificate.empty()) {
        weir::tls_server_options secured;
        secured.certificate = own_certificate(how);
        options.tls = &tls.emplace(secured);
    }
#endif
    options.websocket = connection_options(how);
    if (!how.most_bytes) options.websocket.message_bytes = 16 * 1024 * 1024;
    options.layer = &here.all;
    options.log.function = [](void*, const weir::log_event&) {}; // nothing of it is shown, but `where` knows who is there
    here.server.route("GET", "/{path...}", [&here](weir::exchange& http) { return receive_guest(here, http); });
    const weir::result<> listening = here.server.listen(options);
    if (!listening) co_return note(paint::red, "ws: " + escaped(listening.error().message())), failed;
    here.server.spawn(attend(here));
    here.server.spawn(heed_for_server(here));
    here.server.spawn(here.all.bar.show());
    const weir::result<> served = co_await here.server.serve();
    if (!served) co_return note(paint::red, "ws: " + escaped(served.error().message())), failed;
    if (!here.all.in.wrong().empty()) co_return misused;
    co_return here.code.value_or(in_order);
}

// ---------------------------------------------------------------------------------------------------------------------------
// Pinging

// Sees when pings leave and pongs come, as near to the network as can be.
class ping_wire final : public wire {
public:
    struct answer {
        std::uint64_t number;
        nanoseconds took;
    };

    explicit ping_wire(bool verbose) : wire(verbose) {}

    weir::queue<answer> answers{1000};

    static std::string payload(std::uint64_t number) { return "ws ping " + std::to_string(number); }

private:
    void on_frame(const frame& one) override {
        if (!one.beginning.starts_with("ws ping ")) return;
        const std::uint64_t number = std::strtoull(std::string(one.beginning.substr(8)).c_str(), nullptr, 10);
        const auto now = clock_type::now();
        if (one.header.type == opcode::ping && one.sent) {
            x_under_way[number] = now;
        } else if (one.header.type == opcode::pong && !one.sent) {
            const auto found = x_under_way.find(number);
            if (found == x_under_way.end()) return; // nobody asked, or it is the second answer
            (void)answers.try_send(answer{number, now - found->second});
            x_under_way.erase(found);
        }
    }

    std::map<std::uint64_t, clock_type::time_point> x_under_way;
};

// Looks at no message, and notices the end.
weir::task<> overhear(weir::websocket& ws, weir::queue<ping_wire::answer>& until) {
    while (auto piece = co_await ws.read_frame()) {}
    until.close();
}
weir::task<> end_pings(interruption& stop, weir::queue<ping_wire::answer>& which) {
    const bool told = co_await stop.next();
    if (told) which.close();
}

void show_statistics(const settings& how, std::uint64_t sent, std::vector<double> all, nanoseconds time) {
    std::printf("--- %s\n", escaped(how.url).c_str());
    const double lost = sent ? 100.0 * static_cast<double>(sent - all.size()) / static_cast<double>(sent) : 0;
    std::printf("%s, %s, %.3g %% lost, %.0f ms\n", count_text(sent, "ping").c_str(), count_text(all.size(), "answer").c_str(), lost,
                milliseconds(time));
    if (all.empty()) return;
    std::sort(all.begin(), all.end());
    double sum = 0, squares = 0;
    for (const double each : all) sum += each;
    const auto count = static_cast<double>(all.size());
    for (const double each : all) squares += (each - sum / count) * (each - sum / count);
    const double median = (all[all.size() / 2] + all[(all.size() - 1) / 2]) / 2;
    std::printf("round trip min/avg/median/max/stddev = %.3f/%.3f/%.3f/%.3f/%.3f ms\n", all.front(), sum / count, median, all.back(),
                std::sqrt(squares / count));
}

weir::task<int> ping(const settings& how) {
    ping_wire watching(how.verbose);
    interruption stop(terminal::give_back);
    dialer by(how, &watching);
    auto ws = co_await weir::in_context(stop.until(), by.dial());
    if (!ws) co_return not_opened(ws.error());
    weir::scope work;
    work.spawn(overhear(*ws, watching.answers));
    work.spawn(end_pings(stop, watching.answers));
    std::vector<double> took;
    const auto began = clock_type::now();
    const std::uint64_t most = how.count.value_or(UINT64_MAX);
    std::uint64_t sent = 0;
    for (bool going_on = true; going_on;) {
        ws->ping(ping_wire::payload(++sent));
        const auto next = clock_type::now() + (sent == most ? how.timeout : how.interval);
        while (going_on && !(sent == most && took.size() == sent)) {
            auto answer = co_await watching.answers.receive().within(next - clock_type::now());
            if (!answer && answer.error() == weir::errc::timed_out) break;
            going_on = static_cast<bool>(answer);
            if (!answer) break;
            took.push_back(milliseconds(answer->took));
            std::printf("pong %llu: %.3f ms\n", static_cast<unsigned long long>(answer->number), took.back());
            std::fflush(stdout);
        }
        going_on = going_on && sent < most;
    }
    const auto time = clock_type::now() - began;
    const bool lost = !ws->is_open();
    co_await ws->close();
    work.cancel();
    co_await work.join();
    show_statistics(how, sent, took, time);
    if (lost) note(paint::red, "ws: " + end_text(ws->closed()));
    co_return took.empty() || lost ? failed : in_order;
}

// ---------------------------------------------------------------------------------------------------------------------------
// Loading

// How often which latency was seen, within 3 per cent, in constant memory.
class histogram {
public:
    void add(nanoseconds span) {
        const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(span.count(), 0));
        const unsigned width = static_cast<unsigned>(std::bit_width(value));
        const unsigned shift = width > 6 ? width - 6 : 0; // six bits of it count
        ++x_counts[shift * 32 + (value >> shift)];
        ++x_total;
        x_most = std::max(x_most, span);
    }

    // What `part` of all did not exceed.
    nanoseconds at(double part) const {
        std::uint64_t left = static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(x_total)));
        for (std::size_t i = 0; i < x_counts.size(); ++i) {
            if (x_counts[i] >= left && x_total > 0) {
                const std::size_t shift = i < 64 ? 0 : (i - 32) / 32;
                const std::uint64_t value = (i - shift * 32 + 1) << shift;
                return std::min(nanoseconds(static_cast<std::int64_t>(value)), x_most);
            }
            left -= x_counts[i];
        }
        return x_most;
    }
    nanoseconds most() const { return x_most; }
    std::uint64_t total() const { return x_total; }

private:
    std::array<std::uint64_t, 64 * 32> x_counts{};
    std::uint64_t x_total = 0;
    nanoseconds x_most{0};
};

struct load {
    const settings& how;
    dialer by;
    histogram latencies;
    weir::event start;
    clock_type::time_point end = clock_type::time_point::max();
    std::uint64_t opened = 0, wrong = 0, lost = 0;
    int code = in_order;
};

// Message `number` of a connection: that number, and letters, as much of it as is wished for.
void write_message(std::string& into, std::uint64_t number) {
    for (std::size_t i = 0; i < into.size() && i < 16; ++i) {
        const unsigned digit = static_cast<unsigned>(number >> (4 * i)) & 15;
        into[i] = "0123456789abcdef"[digit];
    }
}

weir::task<> load_one(load& all) {
    auto ws = co_await all.by.dial();
    if (!ws) {
        if (all.code == in_order) all.code = not_opened(ws.error());
        co_return;
    }
    ++all.opened;
    const auto started = co_await all.start.wait();
    if (!started) co_return;
    std::string text(all.how.size, 'x'), wanted = text;
    std::vector<clock_type::time_point> sent(all.how.depth);
    std::uint64_t next = 0, back = 0;
    const auto send = [&] {
        write_message(text, next);
        sent[next++ % sent.size()] = clock_type::now();
        if (all.how.binary) ws->send(weir::as_bytes(text));
        else ws->send(std::string_view(text));
    };
    while (next < sent.size()) send();
    while (auto message = co_await ws->read()) {
        const auto now = clock_type::now();
        write_message(wanted, back);
        if (message->text() != wanted || message->is_binary() != all.how.binary) {
            ++all.wrong;
            break;
        }
        if (now < all.end) all.latencies.add(now - sent[back % sent.size()]);
        ++back;
        if (now < all.end) send();
        else if (back == next) break;
    }
    if (!ws->is_open() && all.code == in_order) {
        note(paint::red, "ws: a connection ended: " + end_text(ws->closed()));
        all.code = failed;
    }
    all.lost += next - back;
    co_await ws->close();
}

void show_load(const load& of, double seconds) {
    const double rate = static_cast<double>(of.latencies.total()) / seconds;
    std::printf("%s: %s, %s a message, %llu under way on each, %.3g s\n", escaped(of.how.url).c_str(),
                count_text(of.how.connections, "connection").c_str(), size_text(static_cast<double>(of.how.size)).c_str(),
                static_cast<unsigned long long>(of.how.depth), seconds);
    std::printf("%.0f messages/s, %.2f MB/s each way; %s, each answer compared\n", rate,
                rate * static_cast<double>(of.how.size) / 1e6, count_text(of.latencies.total(), "message").c_str());
    std::printf("latency:");
    for (const double each : {50.0, 90.0, 99.0, 99.9}) std::printf(" %g %% %.3f,", each, milliseconds(of.latencies.at(each / 100)));
    std::printf(" most %.3f ms\n", milliseconds(of.latencies.most()));
    if (of.wrong > 0) std::printf("%s that came back wrong\n", count_text(of.wrong, "message").c_str());
    if (of.lost > 0) std::printf("%s without an answer\n", count_text(of.lost, "message").c_str());
}

weir::task<int> bench(const settings& how) {
    wire watching(how.verbose);
    interruption stop(terminal::give_back);
    load all{how, dialer(how, how.verbose ? &watching : nullptr), {}, {}};
    weir::scope work;
    for (std::uint64_t i = 0; i < how.connections; ++i) work.spawn(load_one(all));
    while (all.opened + (how.connections - work.size()) < how.connections) {
        const auto slept = co_await weir::in_context(stop.until(), weir::sleep(1ms));
        if (!slept) co_return interrupted;
    }
    if (all.code != in_order) co_return all.code;
    const auto began = clock_type::now();
    all.end = began + how.load_time;
    all.start.set();
    (void)co_await stop.next().within(how.load_time);
    all.end = clock_type::now();
    const double seconds = std::chrono::duration<double>(all.end - began).count();
    (void)co_await work.join().within(how.timeout); // what is under way
    work.cancel();
    co_await work.join();
    show_load(all, seconds);
    const bool good = all.code == in_order && all.wrong == 0 && all.lost == 0 && all.latencies.total() > 0;
    co_return good ? in_order : failed;
}

// ---------------------------------------------------------------------------------------------------------------------------

weir::task<int> carry_out(const settings& how) {
    switch (how.what) {
    case mode::listen: return listen(how);
    case mode::ping: return ping(how);
    case mode::bench: return bench(how);
    case mode::talk: break;
    }
    return talk(how);
}

} // namespace

int main(int argc, char** argv) {
    settings how;
    if (const std::optional<int> code = read_command_line(argc, argv, how)) return *code;
    if (how.what != mode::listen && !how.origins.empty()) how.headers.push_back({"Origin", how.origins[0]});
    std::setlocale(LC_CTYPE, "C.UTF-8"); // how wide characters are
    std::signal(SIGPIPE, SIG_IGN);       // a reader that has gone is an error like others
    return weir::run(carry_out(how), {.backend = weir::backend_kind::epoll}); // which `descriptor` counts on
}
