// UTF-8: the validator, whole and at any cuts, agrees with the slow reference; a cut text is the longest valid beginning.
#include "reference.hpp"
#include "support.hpp"

#include <weir/core/utf8.hpp>

namespace utf8_target {

static void validate(weir::bytes_view text, std::uint8_t cuts) {
    std::size_t broken_at = text.size() + 1; // after so many bytes no valid text goes on like this
    fuzz::reference_utf8 slow;
    for (std::size_t i = 0; i < text.size() && broken_at > text.size(); ++i)
        if (!slow.add(std::to_integer<std::uint8_t>(text[i]))) broken_at = i + 1;
    fuzz::require(weir::is_utf8(text) == slow.complete(), "is_utf8 agrees with the reference");

    weir::utf8_validator pieces;
    std::size_t seen = 0;
    fuzz::cut_up(weir::as_text(text), cuts, [&](std::string_view piece) {
        seen += piece.size();
        const bool good = pieces.update(weir::as_bytes(piece));
        fuzz::require(good == (seen < broken_at), "a piece is refused when it holds the byte that decides");
        fuzz::require(good || !pieces.complete(), "a broken text is never complete");
        return true; // and stays broken, whatever follows
    });
    fuzz::require(pieces.complete() == slow.complete(), "pieces end as the whole does");
    pieces.reset();
    fuzz::require(pieces.update({}) && pieces.complete(), "a new text is empty and valid");
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
    const std::string padded = std::string(shift, '.') + std::string(in.take_all()); // any alignment
    const fuzz::exact copy(padded);
    utf8_target::validate(copy.bytes().subspan(shift), cuts);
    utf8_target::truncate(weir::as_text(copy.bytes().subspan(shift)), most);
    return 0;
}
