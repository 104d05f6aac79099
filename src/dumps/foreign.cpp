// Files that are met where memory images are expected, and cannot be used as they are: what they are, and what to do.
#include "base/text.h"
#include "dumps/format.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace poolkd::dumps {

namespace {

using namespace std::string_view_literals;

struct Foreign {
    std::string_view signature; ///< bytes at the start
    std::string_view what;
    std::string_view instead;
};

constexpr std::string_view unpack = "unpack it and open the image inside";
constexpr std::string_view as_elf =
    "dump again as an ELF core (`dump-guest-memory FILE` in QEMU's monitor, `virsh dump --memory-only`)";
constexpr std::string_view hibernated = "its memory is compressed in a form that changes with the build: convert it to "
                                        "a raw image (Hibr2Bin, MemProcFS), or "
                                        "take a crash dump";
constexpr std::string_view user_process = "it holds one process, no kernel: take a kernel or complete memory dump";

constexpr Foreign foreign[] = {
    {"MDMP"sv, "a minidump of a user process", user_process},
    {"USERDUMP"sv, "a dump of a user process", user_process},
    {"USERDU64"sv, "a dump of a user process", user_process},
    {"KDUMP   "sv, "a compressed kdump", as_elf},
    {"DISKDUMP"sv, "a compressed kdump", as_elf},
    {"makedumpfile\0\0\0\0"sv, "a compressed kdump in its flattened form", as_elf},
    {"QEVM"sv, "a migration stream of QEMU (savevm)", as_elf},
    {"LibvirtQemudSave"sv, "a saved machine of libvirt", as_elf},
    {"\x14\x20\x28\x01"sv, "a saved state of Hyper-V",
     "convert it to a crash dump on Windows (vm2dmp, or MemProcFS with VmSavedStateDumpProvider.dll)"},
    {"HIBR"sv, "a hibernation file", hibernated},
    {"hibr"sv, "a hibernation file", hibernated},
    {"WAKE"sv, "a hibernation file that was resumed from", hibernated},
    {"wake"sv, "a hibernation file that was resumed from", hibernated},
    {"RSTR"sv, "a hibernation file that was being resumed from", hibernated},
    {"AVML"sv, "a compressed AVML image", "convert it (`avml-convert --source-format lime_compressed --format lime`)"},
    {"MSCF"sv, "a cabinet", "unpack it (`cabextract FILE`) and open the dump inside"},
    {"\x1f\x8b"sv, "compressed with gzip", "unpack it (`gunzip FILE`) and open the image inside"},
    {"\x28\xb5\x2f\xfd"sv, "compressed with zstd", "unpack it (`unzstd FILE`) and open the image inside"},
    {"\xfd"
     "7zXZ\0"sv,
     "compressed with xz", "unpack it (`unxz FILE`) and open the image inside"},
    {"BZh"sv, "compressed with bzip2", unpack},
    {"7z\xbc\xaf\x27\x1c"sv, "a 7-Zip archive", unpack},
    {"Rar!"sv, "a RAR archive", unpack},
    {"QFI\xfb"sv, "a disk image (qcow2)", "open what the machine wrote on that disk: %SystemRoot%\\MEMORY.DMP"},
    {"KDMV"sv, "a disk image (VMDK)", "open what the machine wrote on that disk: %SystemRoot%\\MEMORY.DMP"},
    {"vhdxfile"sv, "a disk image (VHDX)", "open what the machine wrote on that disk: %SystemRoot%\\MEMORY.DMP"},
};

constexpr Foreign zip{"PK\x03\x04"sv, "a zip archive", unpack};
constexpr Foreign aff4{"PK\x03\x04"sv, "an AFF4 image",
                       "convert it to a raw image (`winpmem --export`, `aff4imager -e`)"};
constexpr Foreign wiped_hibernation{""sv, "a hibernation file whose header was wiped when it was resumed from",
                                    hibernated};

bool begins_with(Bytes file, std::string_view signature) {
    return file.size() >= signature.size() && std::memcmp(file.data(), signature.data(), signature.size()) == 0;
}

/// The members of an AFF4 volume that name it stand first, so a look at the beginning is enough.
bool mentions(Bytes file, std::string_view word) {
    const Bytes head = file.first(std::min<std::size_t>(file.size(), 64u << 10));
    const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
    return text.find(word) != std::string_view::npos;
}

const Foreign* find_foreign(const FormatInput& input) {
    const Bytes file = input.bytes();
    for (const Foreign& entry : foreign)
        if (begins_with(file, entry.signature)) return &entry;
    if (begins_with(file, zip.signature))
        return mentions(file, "container.description") || mentions(file, "information.turtle") ? &aff4 : &zip;
    const std::filesystem::path name = std::filesystem::path(input.file->path()).filename();
    return equals_ignore_case(name.string(), "hiberfil.sys") ? &wiped_hibernation : nullptr;
}

} // namespace

constinit const Format foreign_format{
    "foreign", [](const FormatInput& input) { return find_foreign(input) != nullptr; },
    [](const FormatInput& input) -> Result<MemoryImage> {
        const Foreign& entry = *find_foreign(input);
        return fail(ErrorKind::unsupported, "this is {}; {}", entry.what, entry.instead);
    }};

} // namespace poolkd::dumps
