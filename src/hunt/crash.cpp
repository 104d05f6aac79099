#include "hunt/crash.h"

#include "base/text.h"
#include "code/call_sites.h"
#include "code/stack_reader.h"
#include "dumps/triage.h"
#include "hunt/crash_findings.h"
#include "nt/strings.h"
#include "pool/usage.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

constexpr std::size_t most_frames = 64;
constexpr std::size_t largest_tags = 3;
constexpr std::size_t most_words = 1024; // of a stack whose frames cannot be told

bool is_name(std::string_view text) {
    return text.size() >= 3 && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '?'; });
}

/// What the parameter that names a driver leads to: a UNICODE_STRING, or its text.
std::string read_driver_name(nt::Kernel& kernel, VirtAddr at) {
    if (auto text = nt::read_unicode_string(kernel.memory(), at, kernel.machine()); text && is_name(*text))
        return *text;
    ByteVector bytes(64);
    bytes.resize(kernel.memory().read(at, bytes).bytes);
    std::string text = nt::utf8_from_utf16(bytes);
    text.resize(std::min(text.size(), text.find('?'))); // what the NUL behind it became
    return is_name(text) ? text : std::string();
}

class Examiner {
  public:
    Examiner(nt::Kernel& kernel, const nt::BugCheck& bug_check, Work& work)
        : kernel_(kernel), work_(work), pointer_(kernel.machine().pointer_size) {
        report_.bug_check = bug_check;
        report_.name = nt::bug_check_name(bug_check.code);
        report_.meaning = pool::meaning_of(bug_check, kernel);
    }

    CrashReport run(const Result<RegisterFile>& registers) {
        walk(registers);
        const bool small_dump = kernel_.target().driver_records() != nullptr;
        if (report_.meaning) {
            if (small_dump) {
                tell_small_dump();
            } else {
                look_at_pool();
            }
            tell_surroundings(report_, pointer_);
            look_for_owner();
            if (report_.meaning->suspect == pool::Suspect::nobody) tell_exhaustion();
            switch (report_.bug_check.code) {
            case 0x50: tell_access(); break;
            case 0xc4: tell_unloaded(); break;
            default: break;
            }
        }
        draw_conclusions(report_, pointer_);
        return std::move(report_);
    }

  private:
    [[nodiscard]] std::uint64_t parameter(std::size_t i) const { return report_.bug_check.parameters[i]; }
    [[nodiscard]] std::string address(VirtAddr at) const { return format_address(at.value, pointer_); }

    void walk(const Result<RegisterFile>& registers) {
        if (!registers) {
            report_.missing.push_back(fmt::format("The stack: {}.", registers.error().message));
            return;
        }
        report_.stack = code::walk_stack(kernel_, *registers, {.max_frames = most_frames, .arguments = false}, &work_);
        report_.names = code::name_frames(kernel_, report_.stack.value);
        if (!report_.stack.value.note.empty())
            report_.missing.push_back(fmt::format("The rest of the stack: {}.", report_.stack.value.note));
        for (std::size_t i = 0; i < report_.names.size(); ++i) {
            const std::string& module = report_.names[i].module;
            if (module.empty() || module == "nt" || equals_ignore_case(module, "hal")) continue;
            report_.first_driver = i;
            report_.first_image = image_of(module);
            break;
        }
        if (!report_.first_driver) look_at_words(registers->sp());
    }

    /// Without the images of the drivers, which small dumps leave out, frames cannot be followed on x64.
    void look_at_words(VirtAddr sp) {
        const code::StackEnd end = report_.stack.value.end;
        const bool guessed = std::ranges::any_of(report_.stack.value.frames, [](const code::Frame& frame) {
            return frame.warning != code::FrameWarning::none;
        });
        if (end == code::StackEnd::complete && !guessed) return;
        code::StackReader stack(kernel_.memory(), kernel_.machine(), &work_);
        code::CallSites calls(kernel_, &work_);
        for (std::size_t i = 0; i < most_words && !work_.stop_requested(); ++i) {
            const auto word = stack.word(sp + i * pointer_);
            if (!word) break;
            const VirtAddr at = kernel_.machine().canonical(*word);
            const nt::Module* module = kernel_.modules().containing(at);
            if (!module || module->is_kernel || equals_ignore_case(module->name, "hal") ||
                calls.before(at).kind == code::CallBefore::none)
                continue;
            report_.raw_image = module->image_name;
            report_.raw_site = kernel_.modules().at(at).text();
            break;
        }
    }

    void tell_small_dump() {
        report_.missing.emplace_back("The pool: this is a small memory dump, which holds none of it. A kernel dump "
                                     "(CrashDumpEnabled 2) has it.");
        const auto& records = *kernel_.target().driver_records();
        if (records.memory) {
            constexpr std::uint64_t page = 4096;
            const auto& m = *records.memory;
            report_.findings.push_back(fmt::format("When it crashed, the machine had {} KB of nonpaged pool and {} KB "
                                                   "of paged pool in use, and {} of {} KB "
                                                   "committed (the dump's own figures).",
                                                   m.nonpaged_allocated / 1024, m.paged_allocated / 1024,
                                                   m.committed_pages * page / 1024, m.commit_limit * page / 1024));
        }
        if (!records.broken_driver.empty())
            report_.findings.push_back(
                fmt::format("The writer of the dump names {} as the driver at fault.", records.broken_driver));
    }

    void look_at_pool() {
        const pool::BugCheckMeaning& meaning = *report_.meaning;
        if (!meaning.block) return;
        auto around = pool::look_around(kernel_, meaning.block, meaning.pointee == pool::Pointee::header, work_);
        if (!around) {
            report_.missing.push_back(fmt::format("The block: {}.", around.error().message));
            return;
        }
        report_.coverage.merge(around->coverage);
        report_.surroundings = std::move(around->value);
    }

    void look_for_owner() {
        if (!report_.tag || report_.tag->bare().value == 0) return;
        std::vector<std::string> on_stack;
        for (const code::FrameName& name : report_.names)
            if (!name.module.empty()) on_stack.push_back(name.module);
        auto owners = find_tag_owners(kernel_, *report_.tag, on_stack, work_);
        if (!owners.coverage.complete())
            report_.missing.push_back(fmt::format("The code of drivers was read in part: of {} bytes {} were missing.",
                                                  owners.coverage.read() + owners.coverage.missing(),
                                                  owners.coverage.missing()));
        report_.owners = std::move(owners.value);
        const std::string tag = report_.tag->bare().text();
        for (const TagOwner& owner : report_.owners)
            report_.findings.push_back(fmt::format("The tag '{}' is of {}: {}.", tag, owner.image, owner.evidence));
        if (report_.owners.empty() && !kernel_.target().driver_records())
            report_.findings.push_back(fmt::format(
                "No {} has the tag '{}' in {}.", kernel_.target().run_control() ? "driver on the stack" : "driver", tag,
                owners.coverage.complete() ? "its code" : "what could be read of its code"));
    }

    void tell_exhaustion() {
        if (report_.bug_check.code == 0x3f)
            report_.findings.push_back(
                fmt::format("{} entries were asked for; {} of {} are free.", parameter(1), parameter(2), parameter(3)));
        if (kernel_.target().driver_records()) return;
        auto usage = pool::read_usage(kernel_, work_);
        if (!usage) {
            report_.missing.push_back(fmt::format("The pool's counters: {}.", usage.error().message));
            return;
        }
        report_.coverage.merge(usage->coverage);
        tell_largest(usage->value, "nonpaged", &pool::TagUsage::nonpaged);
        tell_largest(usage->value, "paged", &pool::TagUsage::paged);
    }

    void tell_largest(const pool::UsageTable& usage, std::string_view kind, pool::PoolCounts pool::TagUsage::* counts) {
        std::vector<const pool::TagUsage*> rows;
        std::int64_t total = 0;
        for (const pool::TagUsage& row : usage.tags) {
            total += (row.*counts).bytes;
            rows.push_back(&row);
        }
        if (total <= 0) return;
        const auto shown = std::min(largest_tags, rows.size());
        std::ranges::partial_sort(rows, rows.begin() + static_cast<std::ptrdiff_t>(shown), std::greater(),
                                  [&](const pool::TagUsage* row) { return (row->*counts).bytes; });
        std::string names;
        for (std::size_t i = 0; i < shown; ++i)
            names +=
                fmt::format("{}'{}' {} KB", i == 0 ? "" : ", ", rows[i]->tag.text(), (rows[i]->*counts).bytes / 1024);
        report_.findings.push_back(
            fmt::format("Of {} KB of {} pool in use, the largest tags hold: {}.", total / 1024, kind, names));
    }

    /// The kind of access: 0 reads; the older codes have 1 and 8 for what the processor's bits 1 and 4 say in later
    /// ones.
    void tell_access() {
        const std::uint64_t kind = parameter(1);
        const VirtAddr instruction = kernel_.machine().canonical(parameter(2));
        const std::string where = kernel_.modules().at(instruction).text();
        report_.findings.push_back(fmt::format("{} {} {}.", where.empty() ? address(instruction) : where,
                                               (kind & 0x18) != 0 ? "ran code at"
                                               : (kind & 3) != 0  ? "wrote to"
                                                                  : "read from",
                                               address(report_.meaning->block)));
    }

    void tell_unloaded() {
        if (report_.meaning->suspect != pool::Suspect::unloaded_driver) return;
        if (parameter(0) == 0x62) {
            report_.unloaded_driver = read_driver_name(kernel_, kernel_.machine().canonical(parameter(1)));
            if (report_.unloaded_driver.empty())
                report_.missing.push_back(fmt::format("The driver's name at {}.", address(VirtAddr(parameter(1)))));
            report_.findings.push_back(
                fmt::format("{} left {} block{} of pool behind when it was unloaded.",
                            report_.unloaded_driver.empty() ? "The driver" : report_.unloaded_driver, parameter(3),
                            parameter(3) == 1 ? "" : "s"));
        } else {
            report_.findings.push_back(fmt::format("It had {} block{}: {} bytes of paged pool, {} of nonpaged pool.",
                                                   parameter(3), parameter(3) == 1 ? "" : "s", parameter(1),
                                                   parameter(2)));
            // It is being unloaded, so it is on the stack, or the last that went.
            if (report_.first_driver) report_.unloaded_driver = report_.first_image;
        }
        for (const nt::UnloadedModule& gone : kernel_.modules().unloaded())
            if (equals_ignore_case(gone.name, report_.unloaded_driver))
                report_.findings.push_back(fmt::format("It lay at {} to {} (the kernel's list of unloaded drivers).",
                                                       address(gone.start), address(gone.end)));
    }

    [[nodiscard]] std::string image_of(std::string_view module) const {
        const nt::Module* found = kernel_.modules().find(module);
        return found ? found->image_name : std::string(module);
    }

    nt::Kernel& kernel_;
    Work& work_;
    unsigned pointer_;
    CrashReport report_;
};

} // namespace

CrashReport examine_crash(nt::Kernel& kernel, const nt::BugCheck& bug_check, const Result<RegisterFile>& registers,
                          Work& work) {
    return Examiner(kernel, bug_check, work).run(registers);
}

} // namespace poolkd::hunt
