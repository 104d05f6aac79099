#pragma once

#include "debugger/expression.h"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd::debugger {

class Session;

/// The evaluator's view of a session, and what belongs to expressions alone: radix, `$t0`..`$t19`, last values.
class SessionExpressions final : public ExpressionContext {
  public:
    explicit SessionExpressions(Session& session) : session_(session) {}

    [[nodiscard]] unsigned radix() const override { return radix_; }
    void set_radix(unsigned radix) { radix_ = radix; }
    [[nodiscard]] unsigned pointer_size() const override;
    Result<std::optional<RegisterValue>> machine_register(std::string_view name) override;
    Result<std::optional<std::uint64_t>> pseudo_register(std::string_view name) override;
    Result<std::uint64_t> read(VirtAddr address, unsigned size) override;
    Result<std::uint64_t> read_physical(PhysAddr address, unsigned size) override;
    Result<std::vector<NamedAddress>> symbols(std::string_view name) override;

    /// Sets `$t0`..`$t19`; false for any other name.
    bool set_user_register(std::string_view name, std::uint64_t value);
    void set_last_value(std::uint64_t value) { last_value_ = value; }     ///< `$exp`
    void set_last_display(std::uint64_t value) { last_display_ = value; } ///< `$p`
    void set_extension_value(std::uint64_t value) { extension_ = value; } ///< `$extret`
    /// Gives a pseudo-register that the commands above know how to find ("$ra"); name in lower case.
    using Source = std::function<Result<std::uint64_t>(Session&)>;
    void set_source(std::string name, Source source) { sources_[std::move(name)] = std::move(source); }

  private:
    Session& session_;
    unsigned radix_ = 16;
    std::array<std::uint64_t, 20> user_{};
    std::uint64_t last_value_ = 0;
    std::uint64_t last_display_ = 0;
    std::uint64_t extension_ = 0;
    std::map<std::string, Source, std::less<>> sources_;
};

} // namespace poolkd::debugger
