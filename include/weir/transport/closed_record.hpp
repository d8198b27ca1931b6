// The record that says how a session ended, in the envelope of protocol/channel.
#pragma once

#include <weir/protocol/channel/record.hpp>
#include <weir/transport/session.hpp>

namespace weir::inline v0::detail {

template <class Tag>
[[gnu::cold]] void append_closed(std::string& to, const basic_session<Tag>& of) {
    const close_info why = of.closed();
    envelope::append_sentence(to, envelope::kind::closed, static_cast<std::uint64_t>(why.code), why.reason);
}

} // namespace weir::inline v0::detail
