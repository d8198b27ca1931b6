// Runs the fuzz targets on the inputs that were kept, without a fuzzer, with any compiler: one executable for all.
//
//     fuzz_replay TARGET FILE-OR-FOLDER...
//
// With WEIR_FUZZERS it is what several fuzzers are linked from, those of the targets that need a world, since each of these
// takes long to compile: a fuzzer runs the target that its name says, server as fuzz_server. The others are quick, and would be
// slowed down by the counters of so much code.
#include "support.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#define LLVMFuzzerTestOneInput channel_
#include "channel.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput channel_pair
#include "channel_pair.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput server
#include "server.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput websockets
#include "websockets.cpp"
#undef LLVMFuzzerTestOneInput
#if __has_include(<openssl/ssl.h>)
#define LLVMFuzzerTestOneInput tls_
#include "tls.cpp"
#undef LLVMFuzzerTestOneInput
#endif
#if !defined(WEIR_FUZZERS)
#define LLVMFuzzerTestOneInput envelope_
#include "envelope.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput event_stream
#include "event_stream.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput extension
#include "extension.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput frame_header
#include "frame_header.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput handshake
#include "handshake.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput http_body
#include "http_body.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput http_head
#include "http_head.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput proxies
#include "proxies.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput url
#include "url.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput utf8
#include "utf8.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput ws_connection
#include "ws_connection.cpp"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput ws_pair
#include "ws_pair.cpp"
#undef LLVMFuzzerTestOneInput
#if __has_include(<zlib.h>)
#define LLVMFuzzerTestOneInput deflate_
#include "deflate.cpp"
#undef LLVMFuzzerTestOneInput
#endif
#endif

namespace {

struct target {
    std::string_view name;
    int (*run)(const std::uint8_t*, std::size_t);
};

constexpr target targets[] = {
    {"channel", channel_},
    {"channel_pair", channel_pair},
    {"server", server},
    {"websockets", websockets},
#if __has_include(<openssl/ssl.h>)
    {"tls", tls_},
#endif
#if !defined(WEIR_FUZZERS)
    {"envelope", envelope_},
    {"event_stream", event_stream},
    {"extension", extension},
    {"frame_header", frame_header},
    {"handshake", handshake},
    {"http_body", http_body},
    {"http_head", http_head},
    {"proxies", proxies},
    {"url", url},
    {"utf8", utf8},
    {"ws_connection", ws_connection},
    {"ws_pair", ws_pair},
#if __has_include(<zlib.h>)
    {"deflate", deflate_},
#endif
#endif
};

#if defined(WEIR_FUZZERS)
const target* chosen = nullptr;

} // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments); // libFuzzer calls it before anything else
extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
    const std::string name = *count > 0 ? std::filesystem::path((*arguments)[0]).filename().string() : "";
    for (const target& each : targets) {
        if (name == "fuzz_" + std::string(each.name)) chosen = &each;
    }
    if (chosen) return 0;
    std::fprintf(stderr, "no target of this unit is called as in %s\n", name.c_str());
    std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { return chosen->run(data, size); }
#else
void run(const target& which, const std::filesystem::path& file) {
    std::ifstream from(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(from), std::istreambuf_iterator<char>()};
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    std::fprintf(stderr, "%s\n", file.c_str()); // the last one is the one to blame
    which.run(bytes.data(), bytes.size());
}

} // namespace

int main(int count, char** arguments) {
    for (const target& each : targets) {
        if (count < 2 || each.name != arguments[1]) continue;
        each.run(nullptr, 0);
        std::size_t inputs = 0;
        for (int i = 2; i < count; ++i) {
            if (!std::filesystem::is_directory(arguments[i])) {
                run(each, arguments[i]);
                ++inputs;
                continue;
            }
            for (const auto& file : std::filesystem::directory_iterator(arguments[i])) {
                run(each, file.path());
                ++inputs;
            }
        }
        std::printf("%s: %zu inputs\n", arguments[1], inputs);
        return 0;
    }
    std::fputs("usage: fuzz_replay TARGET FILE-OR-FOLDER...\n", stderr);
    return 2;
}
#endif
