// A timer that calls a member function of the object that it is a part of.
//
//     member_timer<session, &session::keep_is_over> x_keep{*this};
#pragma once

#include <weir/coro/scheduler.hpp>

namespace weir::inline v0::detail {

template <class Owner, void (Owner::*Expire)()>
class member_timer final : public timer {
public:
    explicit member_timer(Owner& of) noexcept : x_of(of) {}

private:
    void expire() noexcept override { (x_of.*Expire)(); }
    Owner& x_of;
};

} // namespace weir::inline v0::detail
