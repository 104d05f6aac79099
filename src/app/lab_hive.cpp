#include "app/lab_hive.h"

#include "base/bytes.h"

#include <array>
#include <cstring>
#include <fstream>

namespace poolkd::app {

namespace {

constexpr std::size_t sector_bytes = 512;
constexpr std::string_view magic = "LABHIVE1";
constexpr std::size_t flags_offset = 8, sum_offset = 12;

std::uint32_t sum_of(Bytes sector) {
    std::uint32_t sum = 0;
    for (std::byte b : sector.first(sum_offset))
        sum += std::to_integer<std::uint32_t>(b);
    return sum;
}

} // namespace

Result<std::uint32_t> read_lab_hive(const std::filesystem::path& file) {
    std::array<std::byte, sector_bytes> sector{};
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return fail(ErrorKind::io, "{} cannot be read", file.string());
    stream.read(reinterpret_cast<char*>(sector.data()), sector_bytes);
    if (stream.gcount() != sector_bytes || std::memcmp(sector.data(), magic.data(), magic.size()) != 0 ||
        load_or<std::uint32_t>(sector, sum_offset) != sum_of(sector))
        return lab_default_flags;
    return load_or<std::uint32_t>(sector, flags_offset);
}

Result<void> write_lab_hive(const std::filesystem::path& file, std::uint32_t global_flag) {
    std::array<std::byte, sector_bytes> sector{};
    std::memcpy(sector.data(), magic.data(), magic.size());
    store(MutableBytes(sector), flags_offset, global_flag);
    store(MutableBytes(sector), sum_offset, sum_of(sector));
    // In place: the machine that runs has the file open and reads it again at its next restart.
    std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
    if (!stream) stream.open(file, std::ios::binary | std::ios::out);
    stream.write(reinterpret_cast<const char*>(sector.data()), sector_bytes);
    stream.flush();
    if (!stream) return fail(ErrorKind::io, "{} cannot be written", file.string());
    return {};
}

} // namespace poolkd::app
