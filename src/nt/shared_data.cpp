#include "nt/shared_data.h"

#include <array>

namespace poolkd::nt {

namespace {

constexpr VirtAddr shared_user_data_x64{0xfffff78000000000};
constexpr VirtAddr shared_user_data_x86{0xffffffffffdf0000};
constexpr std::size_t interrupt_time = 0x8, system_time = 0x14, product_type = 0x264, product_valid = 0x268,
                      suite_mask = 0x2d0, physical_pages = 0x2e8, shared_bytes = 0x2ec;
constexpr std::int64_t units_a_millisecond = 10'000;
constexpr std::chrono::seconds from_1601_to_1970{11'644'473'600};

} // namespace

std::chrono::milliseconds SharedData::uptime() const {
    return std::chrono::milliseconds(static_cast<std::int64_t>(interrupt_time) / units_a_millisecond);
}

std::optional<std::chrono::sys_time<std::chrono::milliseconds>> SharedData::time() const {
    if (system_time == 0) return std::nullopt;
    const std::chrono::milliseconds since_1601(static_cast<std::int64_t>(system_time) / units_a_millisecond);
    return std::chrono::sys_time<std::chrono::milliseconds>(since_1601 - from_1601_to_1970);
}

Result<SharedData> read_shared_data(memory::AddressSpace& memory, const Machine& machine) {
    const VirtAddr at = machine.pointer_size == 8 ? shared_user_data_x64 : shared_user_data_x86;
    std::array<std::byte, shared_bytes> bytes;
    if (auto read = memory::read_exact(memory, at, MutableBytes(bytes)); !read)
        return fail_at(at, read.error().kind, "The target's clock (KUSER_SHARED_DATA) cannot be read");
    SharedData data;
    data.interrupt_time = load_or<std::uint64_t>(bytes, interrupt_time);
    data.system_time = load_or<std::uint64_t>(bytes, system_time);
    if (load_or<std::uint8_t>(bytes, product_valid) != 0) data.product = load_or<std::uint32_t>(bytes, product_type);
    data.suites = load_or<std::uint32_t>(bytes, suite_mask);
    data.physical_pages = load_or<std::uint32_t>(bytes, physical_pages);
    return data;
}

} // namespace poolkd::nt
