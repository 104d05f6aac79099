#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::control {

/// What to do at an event.
enum class Reaction {
    stop,          ///< `sxe`
    second_chance, ///< `sxd`: stop only when nobody in the target handled it
    tell,          ///< `sxn`: print it and go on
    ignore,        ///< `sxi`
};

/// One kind of event and what the user wants done at it (`sx`).
struct EventFilter {
    std::string name;                  ///< "ld", "av", "c0000123", "*"
    std::string title;                 ///< "Load module"
    std::optional<std::uint32_t> code; ///< of an exception; nothing for module events and for `*`
    Reaction reaction = Reaction::ignore;
    bool handled = false;            ///< how the target goes on from an exception
    std::string pattern = {};        ///< of the module's name; empty: any
    std::string command = {};        ///< run at the stop
    std::string second_command = {}; ///< run at a second-chance stop
    [[nodiscard]] bool is_exception() const { return code.has_value() || name == "*"; }
    /// An image path ("\drivers\zeta.sys") fits the pattern by its file name, with or without the extension.
    [[nodiscard]] bool fits(std::string_view image_path) const;
};

/// All kinds of events that a kernel reports. Exceptions without a row of their own fall under `*`.
class EventFilters {
  public:
    EventFilters();

    [[nodiscard]] std::span<const EventFilter> all() const { return filters_; }
    /// By name; null for none.
    [[nodiscard]] EventFilter* find(std::string_view name);
    [[nodiscard]] const EventFilter& for_exception(std::uint32_t code) const;
    /// The row of a code, made with the reaction of `*` when there is none.
    EventFilter& row_of(std::uint32_t code);
    [[nodiscard]] const EventFilter& load() const { return filters_[0]; }
    [[nodiscard]] const EventFilter& unload() const { return filters_[1]; }
    /// As at the start (`sxr`).
    void reset();

  private:
    std::vector<EventFilter> filters_;
};

} // namespace poolkd::control
