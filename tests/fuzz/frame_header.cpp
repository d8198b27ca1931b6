// Frame headers: what decodes encodes to the same bytes and the reverse; the length is the shortest; masking is its own
// inverse and equals the definition.
#include "reference.hpp"
#include "support.hpp"

#include <weir/protocol/ws/frame_header.hpp>
#include <weir/protocol/ws/masking.hpp>

namespace frame_header_target {

using namespace weir;

static void decode_bytes(std::string_view text) {
    const fuzz::exact copy(text);
    const bytes_view whole = copy.bytes();
    ws::frame_header header;
    const ws::header_decoding found = ws::decode(whole, header);
    fuzz::require(!found.size || found.failure == errc{}, "either a size or a failure");
    fuzz::require(found.size <= ws::frame_header::max_bytes && found.size <= whole.size(), "no more than there is");

    // Each shorter beginning needs more, or fails in the same way.
    for (std::size_t i = 0; i < whole.size() && i < ws::frame_header::max_bytes; ++i) {
        const fuzz::exact part(text.substr(0, i));
        ws::frame_header unused;
        const ws::header_decoding early = ws::decode(part.bytes(), unused);
        if (found.size) fuzz::require(early.failure == errc{} && early.size == (i < found.size ? 0 : found.size), "no early end");
        if (early.failure != errc{}) fuzz::require(found.failure == early.failure, "a failure stays");
        if (early.size) fuzz::require(early.size == found.size, "a size stays");
    }

    // The reference reads a frame of binary data for the side that the mask bit speaks to. Only lengths are of interest.
    if (text.size() >= 2) {
        std::string frame(text.substr(0, found.size ? found.size : ws::frame_header::max_bytes));
        frame[0] = '\x82';
        const bool masked = frame[1] & 0x80;
        const fuzz::trace slow = fuzz::reference_receive(frame, masked, {}, 0);
        fuzz::require(slow.failure == found.failure, "fails as the reference does");
    }
    if (!found.size) return;
    std::byte again[ws::frame_header::max_bytes];
    fuzz::require(ws::encoded_bytes(header) == found.size && ws::encode(header, again) == found.size, "as long as it was");
    fuzz::require(std::memcmp(again, whole.data(), found.size) == 0, "the same bytes");
    fuzz::require(header.payload_bytes >> 63 == 0, "63 bits of length");
}

static void encode_fields(fuzz::input& in) {
    ws::frame_header header;
    header.payload_bytes = in.number<std::uint64_t>() >> in.up_to(63);
    if (header.payload_bytes >> 63) return;
    const std::uint8_t first = in.byte();
    header.type = static_cast<ws::opcode>(first & 15);
    header.reserved_bits = first >> 4 & 7;
    header.fin = first >> 7;
    header.masked = in.flag();
    if (header.masked)
        for (std::byte& each : header.key.bytes) each = std::byte(in.byte());
    std::byte bytes[ws::frame_header::max_bytes];
    const std::size_t size = ws::encode(header, bytes);
    ws::frame_header again;
    const ws::header_decoding found = ws::decode({bytes, size}, again);
    fuzz::require(found.size == size && again == header, "decodes to what was encoded");
    const std::size_t length = header.payload_bytes < 126 ? 2 : header.payload_bytes < 65536 ? 4 : 10;
    fuzz::require(size == length + (header.masked ? 4 : 0), "the shortest form");
}

static void mask(std::string_view text, ws::masking_key key, std::uint64_t phase, std::size_t shift) {
    const fuzz::exact copy(text);
    shift = shift < text.size() ? shift : text.size();
    const mutable_bytes payload = copy.bytes().subspan(shift);
    const std::string before(as_text(payload));
    std::string expected = before;
    for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i] = static_cast<char>(static_cast<std::uint8_t>(expected[i]) ^
                                        std::to_integer<std::uint8_t>(key.bytes[(i + phase) % 4]));
    const fuzz::exact to(before);
    ws::copy_masked(to.bytes().data(), payload, key, phase);
    fuzz::require(as_text(to.bytes()) == expected && as_text(payload) == before, "copies masked bytes");
    ws::apply_mask(payload, key, phase);
    fuzz::require(as_text(payload) == expected, "masks in place");
    fuzz::require(as_text(copy.bytes().first(shift)) == text.substr(0, shift), "touches nothing before");
    ws::apply_mask(payload, key, phase);
    fuzz::require(as_text(payload) == before, "twice is nothing");
}

} // namespace frame_header_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace frame_header_target;
    decode_bytes({reinterpret_cast<const char*>(data), size});
    fuzz::input in(data, size);
    encode_fields(in);
    fuzz::input again(data, size);
    ws::masking_key key;
    for (std::byte& each : key.bytes) each = std::byte(again.byte());
    const auto phase = again.number<std::uint16_t>();
    const std::size_t shift = again.up_to(15);
    mask(again.take_all(), key, phase, shift);
    return 0;
}
