#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::dumps {

/// A value of a VMware state file (.vmss, .vmsn): "regionSize[2]" is the name with one index.
struct VmwareTag {
    std::string name;
    std::vector<std::uint32_t> indices;
    Bytes value; ///< in the file
};

struct VmwareGroup {
    std::string name;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

/// The groups of a state file. Values are read a group at a time.
class VmwareState {
  public:
    /// The bytes must outlive this. Errors: `malformed`.
    static Result<VmwareState> read(Bytes file);

    [[nodiscard]] const std::vector<VmwareGroup>& groups() const { return groups_; }
    /// The tags of a group; none for a group that is not there. `cut` is set when they end in the middle.
    [[nodiscard]] std::vector<VmwareTag> tags(std::string_view group, bool& cut) const;

    static constexpr std::size_t most_tags = 0x10000;

  private:
    Bytes file_;
    bool wide_ = false; ///< lengths of long values have 8 bytes
    std::vector<VmwareGroup> groups_;
};

[[nodiscard]] bool has_vmware_signature(Bytes bytes);

} // namespace poolkd::dumps
