#include "nt/processes.h"

#include "base/text.h"
#include "nt/list_walk.h"
#include "nt/record.h"

namespace poolkd::nt {

namespace {

constexpr std::size_t max_processes = 1 << 16;
constexpr std::uint64_t process_object = 3; // DISPATCHER_HEADER.Type, in every version

/// The id stands in the session's own record, where the process has no copy of it.
std::optional<std::uint64_t> session_of(Kernel& kernel, const Record& record) {
    if (auto id = record.number("SessionId")) return id;
    const VirtAddr session = record.pointer("Session");
    if (!session) return std::nullopt;
    auto id = kernel.read_field("_MM_SESSION_SPACE", session, "SessionId");
    return id ? std::optional(*id) : std::nullopt;
}

/// Since Windows 8 the count stands with the free handles.
std::optional<std::uint64_t> handles_of(Kernel& kernel, VirtAddr table) {
    if (!table) return 0;
    if (auto count = kernel.read_field("_HANDLE_TABLE", table, "HandleCount")) return *count;
    auto layout = kernel.layout("_HANDLE_TABLE");
    if (!layout) return std::nullopt;
    auto lists = (*layout)->offset("FreeLists");
    if (!lists) return std::nullopt;
    auto count = kernel.read_field("_HANDLE_TABLE_FREE_LIST", table + *lists, "HandleCount");
    return count ? std::optional(*count) : std::nullopt;
}

} // namespace

Result<Process> read_process(Kernel& kernel, VirtAddr address) {
    POOLKD_TRY(const Record header, Record::read(kernel, "_DISPATCHER_HEADER", address, {"Type"}));
    if ((header.number("Type").value_or(process_object) & 0x7f) != process_object)
        return fail_at(
            address, ErrorKind::malformed,
            fmt::format("{} is not a process object", format_address(address.value, kernel.machine().pointer_size)));
    // KPROCESS is the beginning of EPROCESS in every version.
    POOLKD_TRY(const Record kprocess, Record::read(kernel, "_KPROCESS", address,
                                                   {"DirectoryTableBase", "KernelTime", "UserTime", "BasePriority"}));
    POOLKD_TRY(const Record record,
               Record::read(kernel, "_EPROCESS", address,
                            {"UniqueProcessId", "InheritedFromUniqueProcessId", "ImageFileName", "Peb", "ObjectTable",
                             "SessionId", "Session", "VadRoot", "ActiveThreads", "CreateTime"}));
    Process process;
    process.address = address;
    process.id = record.word("UniqueProcessId").value_or(0);
    process.parent_id = record.word("InheritedFromUniqueProcessId").value_or(0);
    process.session = session_of(kernel, record);
    // An array of two in older kernels.
    process.directory_base = kprocess.word("DirectoryTableBase").value_or(0);
    process.peb = record.pointer("Peb");
    process.object_table = record.pointer("ObjectTable");
    process.handles = handles_of(kernel, process.object_table);
    process.name = record.text("ImageFileName");
    process.vad_root = record.pointer("VadRoot");
    process.active_threads = record.number("ActiveThreads").value_or(0);
    process.create_time = record.number("CreateTime").value_or(0);
    process.kernel_ticks = kprocess.number("KernelTime").value_or(0);
    process.user_ticks = kprocess.number("UserTime").value_or(0);
    process.base_priority = kprocess.number("BasePriority");
    return process;
}

Result<Answer<std::vector<Process>>> list_processes(Kernel& kernel, Work& work) {
    POOLKD_TRY(const VirtAddr head, kernel.address_of("PsActiveProcessHead"));
    POOLKD_TRY(const Layout* layout, kernel.layout("_EPROCESS"));
    POOLKD_TRY(const std::uint32_t links, layout->offset("ActiveProcessLinks"));
    Answer<std::vector<Process>> answer;
    Coverage unread;
    answer.coverage = walk_list(kernel.memory(), kernel.machine(), head, max_processes, work, [&](VirtAddr link) {
        auto process = read_process(kernel, link - links);
        if (process) {
            unread.add_read(layout->size());
            answer.value.push_back(*std::move(process));
        } else {
            const bool readable = process.error().kind == ErrorKind::malformed;
            unread.add_gap(readable ? GapReason::malformed : GapReason::unmapped, link - links, layout->size());
        }
    });
    answer.coverage.merge(unread);
    return answer;
}

} // namespace poolkd::nt
