// UTF-8: the validator, whole and at any cuts, with each kind of code, masked or not, agrees with the slow reference; a
// cut text is the longest valid beginning.
#include "reference.hpp"
#include "support.hpp"

#include <weir/core/utf8.hpp>
#include <weir/protocol/ws/unmask_text.hpp>

namespace utf8_target {

static void validate(weir::bytes_view text, std::uint8_t cuts, weir::simd::vector_level level) {
    std::size_t broken_at = text.size() + 1; // after so many bytes no valid text goes on like this
    fuzz::reference_utf8 slow;
    for (std::size_t i = 0; i < text.size() && broken_at > text.size(); ++i)
        if (!slow.add(std::to_integer<std::uint8_t>(text[i]))) broken_at = i + 1;
    fuzz::require(weir::is_utf8(text) == slow.complete(), "is_utf8 agrees with the reference");

    weir::utf8_validator pieces;
    std::size_t seen = 0;
    fuzz::cut_up(weir::as_text(text), cuts, [&](std::string_view piece) {
        seen += piece.size();
        const bool good = pieces.update(weir::as_bytes(piece), level);
        fuzz::require(good == (seen < broken_at), "a piece is refused when it holds the byte that decides");
        fuzz::require(good || !pieces.complete(), "a broken text is never complete");
        return true; // and stays broken, whatever follows
    });
    fuzz::require(pieces.complete() == slow.complete(), "pieces end as the whole does");
    pieces.reset();
    fuzz::require(pieces.update({}) && pieces.complete(), "a new text is empty and valid");

    constexpr weir::ws::masking_key key{{std::byte{0x37}, std::byte{0xFA}, std::byte{0x21}, std::byte{0xBD}}};
    seen = 0;
    fuzz::cut_up(weir::as_text(text), cuts, [&](std::string_view plain) {
        std::string masked(plain);
        const weir::mutable_bytes piece{reinterpret_cast<std::byte*>(masked.data()), masked.size()};
        weir::ws::detail::copy_masked_by_bytes(piece.data(), weir::as_bytes(plain), key, seen);
        const bool good = weir::ws::unmask_text(piece, weir::ws::rotated(key, seen), pieces, level);
        seen += plain.size();
        fuzz::require(good == (seen < broken_at), "a masked piece is refused when it holds the byte that decides");
        fuzz::require(!good || masked == plain, "a good piece is unmasked");
        return good;
    });
    fuzz::require(pieces.complete() == slow.complete(), "masked pieces end as the whole does");
}

// Texts long enough for all of the vector code, from a short input: `text` as often as it takes, with one byte changed.
static std::string repeated(std::string_view text, std::size_t times, std::size_t at, char byte) {
    std::string all;
    while (times-- > 0) all += text;
    if (at < all.size()) all[at] = byte;
    return all;
}

static void truncate(std::string_view text, std::size_t most) {
    const std::string_view cut = weir::truncate_utf8(text, most);
    fuzz::require(cut.data() == text.data() && cut.size() <= most && cut.size() <= text.size(), "a beginning of the text");
    if (!fuzz::reference_utf8::valid(text)) return;
    fuzz::require(fuzz::reference_utf8::valid(cut), "what is cut stays valid");
    for (std::size_t longer = cut.size() + 1; longer <= most && longer <= text.size(); ++longer)
        fuzz::require(!fuzz::reference_utf8::valid(text.substr(0, longer)), "no longer beginning is valid");
}

} // namespace utf8_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input in(data, size);
    const std::uint8_t cuts = in.byte();
    const std::size_t shift = in.up_to(15);
    const std::size_t most = in.up_to(255);
    const std::size_t times = 1 + in.up_to(31);
    const std::size_t changed = in.up_to(4095);
    const char change = static_cast<char>(in.byte());
    const std::string_view text = in.take_all();
    const std::string padded = std::string(shift, '.') + // any alignment
                               (times > 1 ? utf8_target::repeated(text, times, changed, change) : std::string(text));
    const fuzz::exact copy(padded);
    for (const auto level : {weir::simd::vector_level::scalar, weir::simd::vector_level::sixteen,
                             weir::simd::vector_level::thirty_two, weir::simd::vector_level::best})
        if (level != weir::simd::vector_level::thirty_two || weir::simd::has_avx2())
            utf8_target::validate(copy.bytes().subspan(shift), cuts, level);
    utf8_target::truncate(weir::as_text(copy.bytes().subspan(shift)), most);
    return 0;
}
