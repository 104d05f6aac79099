#include "hunt/layers.h"

#include "base/text.h"

#include <string_view>

namespace poolkd::hunt {

namespace {

// Heights. A driver's own blocks stand on file-system structures, these on objects, these on names and MDLs.
constexpr unsigned filter = 90, third_party = 80, driver = 75, filter_manager = 60, file_system = 50, network = 45,
                   process = 46, object = 40, handle = 36, kernel = 30, security = 25, name = 22, memory_manager = 15,
                   mdl = 10, pool = 5;

struct TableRow {
    std::string_view pattern;
    unsigned height;
    std::string_view what;
    std::string_view binary;
    bool cache = false;
};

// What is known of the tags of Windows itself, from its public documentation and the public cases of leaks
// (docs/verdict.md). The first row that matches decides. Nothing here decides whether a tag leaks, but for `cache`.
constexpr TableRow table[] = {
    {"WCsc", filter, "filter context (stream)", "wcifs.sys"},
    {"WC??", filter, "filter context", "wcifs.sys"},
    {"FMfn", name, "file name of the filter manager", "fltmgr.sys"},
    {"FMsl", filter_manager, "stream list of the filter manager", "fltmgr.sys"},
    {"FM??", filter_manager, "structure of the filter manager", "fltmgr.sys"},
    {"NtfF", file_system, "file control block", "ntfs.sys", true},
    {"NtFC", file_system, "file system structure (create)", "ntfs.sys"},
    {"NtF?", file_system, "file system structure", "ntfs.sys"},
    {"Ntf?", file_system, "file system structure", "ntfs.sys"},
    {"Ntx?", file_system, "file system structure", "ntfs.sys"},
    {"Fat*", file_system, "file system structure", "fastfat.sys"},
    {"Rx??", file_system, "redirector structure", "rdbss.sys"},
    {"Afd?", network, "socket", "afd.sys"},
    {"Tcp?", network, "network structure", "tcpip.sys"},
    {"ND??", network, "network structure", "ndis.sys"},
    {"Proc", process, "process object", "nt!ps"},
    {"Job ", process + 1, "job object", "nt!ps"},
    {"Thre", process - 1, "thread object", "nt!ps"},
    {"File", object + 2, "file object", "nt!io"},
    {"Key ", object + 2, "registry key object", "nt!cm"},
    {"Toke", object + 1, "token", "nt!se"},
    {"Even", object, "event object", "nt!ex"},
    {"Muta", object, "mutant object", "nt!ex"},
    {"Sema", object, "semaphore object", "nt!ex"},
    {"Sect", object, "section object", "nt!mm"},
    {"Devi", object, "device object", "nt!io"},
    {"Driv", object, "driver object", "nt!io"},
    {"Symb", object, "symbolic link object", "nt!ob"},
    {"Al??", object, "ALPC message or port", "nt!alpc"},
    {"Obtb", handle, "handle table", "nt!ob"},
    {"ObNm", name, "object name", "nt!ob"},
    {"Ob??", handle, "object manager structure", "nt!ob"},
    {"IoNm", name, "name of a file object", "nt!io"},
    {"IoFE", kernel, "file object extension", "nt!io"},
    {"Irp*", kernel, "I/O request packet", "nt!io"},
    {"Io*", kernel, "I/O structure", "nt!io"},
    {"Se??", security, "security structure", "nt!se"},
    {"Cc??", memory_manager, "cache manager structure", "nt!cc", true},
    {"CM*", kernel, "registry cache", "nt!cm", true},
    {"MmSt", memory_manager, "prototype page tables of mapped files", "nt!mm", true},
    {"MmCa", memory_manager, "control area of mapped files", "nt!mm", true},
    {"MmSm", memory_manager, "segment of mapped files", "nt!mm", true},
    {"Mmdi", mdl, "MDL of the memory manager", "nt!mm"},
    {"Mm??", memory_manager, "memory manager structure", "nt!mm"},
    {"Mi??", memory_manager, "memory manager structure", "nt!mm"},
    {"Vad?", memory_manager, "address range of a process", "nt!mm"},
    {"Mdl*", mdl, "MDL", "nt!io"},
    {"EtwB", kernel, "trace buffer", "nt!etw"},
    {"Etw?", kernel, "trace structure", "nt!etw"},
    {"None", pool, "allocation without a tag", ""},
    {"Strg", pool, "default tag of a run-time library", ""},
    {"Cont", pool, "contiguous memory", "nt!mm"},
    {"Pool", pool, "the pool's own tables", "nt!pool"},
    {"Frag", pool, "rest of a big allocation", "nt!pool"},
    {"Free", pool, "rest of a big allocation", "nt!pool"},
};

/// What a word of a tag list tells of the layer.
struct Clue {
    std::string_view word;
    unsigned height;
    std::string_view what;
};
// Words of a description, for tags of the kernel that only a list knows.
constexpr Clue kernel_words[] = {
    {"mdl", mdl, "MDL"},
    {"name", name, "name"},
    {"handle", handle, "handle"},
    {"token", object + 1, "token"},
    {"process", process, "process"},
    {"thread", process - 1, "thread"},
    {"object", object, "object"},
    {"secur", security, "security structure"},
};

// How the names of binaries begin.
constexpr Clue binaries[] = {
    {"ntfs", file_system, "file system structure"},
    {"refs", file_system, "file system structure"},
    {"fastfat", file_system, "file system structure"},
    {"exfat", file_system, "file system structure"},
    {"rdbss", file_system, "redirector structure"},
    {"mrxsmb", file_system, "redirector structure"},
    {"fltmgr", filter_manager, "filter manager structure"},
    {"tcpip", network, "network structure"},
    {"ndis", network, "network structure"},
    {"netio", network, "network structure"},
    {"afd", network, "network structure"},
    {"wcifs", filter, "filter structure"},
    {"bindflt", filter, "filter structure"},
    {"luafv", filter, "filter structure"},
    {"cldflt", filter, "filter structure"},
    {"wof", filter, "filter structure"},
};

void place_by_list(Layer& layer, const TagEntry& entry) {
    const std::string binary = to_lower(entry.binary);
    const std::string words = to_lower(entry.description);
    const bool of_kernel = binary.starts_with("nt!") || binary == "nt" || binary.starts_with("ntos");
    layer.height = of_kernel ? kernel : driver;
    layer.what = of_kernel ? "kernel structure" : "driver's own structure";
    if (of_kernel)
        for (const Clue& w : kernel_words)
            if (words.find(w.word) != std::string::npos) {
                layer.height = w.height;
                layer.what = w.what;
                return;
            }
    for (const Clue& row : binaries)
        if (binary.starts_with(row.word)) {
            layer.height = row.height;
            layer.what = row.what;
            return;
        }
}

} // namespace

Layer layer_of(PoolTag tag, const TagLists* lists) {
    Layer layer{third_party, "unknown, so likely a driver's own", "", "", false, false};
    std::optional<TagEntry> entry;
    if (lists) entry = lists->find(tag);
    if (entry) {
        layer.binary = entry->binary;
        layer.description = entry->description;
        layer.known = true;
        if (!entry->binary.empty()) place_by_list(layer, *entry);
    }
    for (const TableRow& row : table) {
        if (!tag_matches(tag, row.pattern)) continue;
        // A list that names another binary knows better whose tag this is.
        if (entry && !entry->binary.empty() && !row.binary.empty() && !equals_ignore_case(entry->binary, row.binary) &&
            !(entry->binary.starts_with("nt!") && row.binary.starts_with("nt!")))
            break;
        layer.height = row.height;
        layer.what = row.what;
        layer.cache = row.cache;
        layer.known = true;
        if (layer.binary.empty()) layer.binary = row.binary;
        break;
    }
    return layer;
}

} // namespace poolkd::hunt
