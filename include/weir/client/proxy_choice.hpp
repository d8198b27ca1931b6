// What the options of a client say about the way to the server: straight, or through a proxy.
//
// `weir::proxy(url)` and `weir::proxy_of_environment()` of the leaf header client/proxy.hpp make one. Trivially copyable; what it
// names is copied by the call that is given it.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/core/result.hpp>
#include <weir/coro/task.hpp>
#include <weir/io/stream.hpp>

#include <string>
#include <string_view>

namespace weir::inline v0 {

namespace detail {
struct route;
}

class proxy_choice {
public:
    // Goes a route, as `setting` has it. The route outlives the task.
    using function = task<result<owned<io::stream>>> (*)(detail::route& along, std::string setting);

    // Straight to the server.
    constexpr proxy_choice() noexcept = default;

    constexpr proxy_choice(function how, std::string_view with) noexcept : x_function(how), x_setting(with) {}

    // How it goes; null for straight.
    constexpr function by() const noexcept { return x_function; }
    constexpr std::string_view setting() const noexcept { return x_setting; }

private:
    function x_function = nullptr;
    std::string_view x_setting;
};

static_assert(__is_trivially_copyable(proxy_choice));

} // namespace weir::inline v0
