#pragma once

#include "base/machine.h"
#include "kd/client.h"

#include <cstdint>
#include <map>

namespace poolkd::target {

/// Register records of a stopped target, fetched once a stop and written back in the smallest way that the target
/// understands. Writing parts is tried once and checked: systems differ in what a partial SetContextEx leaves of the
/// rest, and a wrong guess would resume a processor with ruined registers.
class ContextAccess {
  public:
    explicit ContextAccess(kd::Client& client) : client_(client) {}
    /// What kind of machine answered; to be told before anything else is asked.
    void set_machine(const Machine& machine) { machine_ = &machine; }

    /// The CONTEXT; at least `context_core_size` bytes of it are real, the rest may be zero.
    Result<RegisterFile> read(std::uint32_t processor);
    /// Writes what differs from the target's own record.
    Result<void> write(std::uint32_t processor, const RegisterFile& registers);
    /// The target went on: what was read is old.
    void forget() { known_.clear(); }

  private:
    enum class Way {
        untried,
        parts,  ///< SetContextEx of the changed bytes
        pieces, ///< SetContextEx of the whole record in pieces
        whole,  ///< SetContext
    };
    struct Known {
        ByteVector bytes; ///< `context_size` of them
        std::size_t real = 0;
    };

    Result<Known*> fetch(std::uint32_t processor, std::size_t least);
    Result<ByteVector> fetch_whole(std::uint16_t processor);
    Result<void> try_part(std::uint16_t processor, Known& known, std::size_t first, Bytes changed);
    Result<void> write_whole(std::uint16_t processor, Known& known, std::size_t first, Bytes changed);
    [[nodiscard]] bool same_registers(Bytes a, Bytes b) const;

    kd::Client& client_;
    const Machine* machine_ = nullptr;
    std::map<std::uint32_t, Known> known_;
    bool has_get_ex_ = true;
    Way way_ = Way::untried;
};

} // namespace poolkd::target
