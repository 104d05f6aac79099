#include "commands/stop_text.h"

#include "base/text.h"
#include "commands/location.h"
#include "control/event_filters.h"
#include "nt/bug_check.h"
#include "render/coverage.h"

namespace poolkd::commands {

using control::StopKind;
using control::StopReport;

namespace {

std::string exception_text(const target::ExceptionStop& exception) {
    // The names that kd lists, not what the user made of them: `sx` changes reactions only.
    static const control::EventFilters known;
    const control::EventFilter& row = known.for_exception(exception.code);
    return fmt::format("{} - code {:08x} ({})", row.code ? row.title : "Unknown exception", exception.code,
                       exception.first_chance ? "first chance" : "!!! second chance !!!");
}

/// The kernel's own break-in routine, under the names it has had.
bool is_break_in(const std::string& symbol) {
    return symbol.find("!RtlpBreakWithStatusInstruction") != std::string::npos ||
           symbol.find("!DbgBreakPointWithStatus") != std::string::npos;
}

/// The bug check that the kernel is in, looked at only at the stops at which it matters, so that others cost nothing.
std::optional<nt::BugCheck> bug_check(debugger::Session& session, const StopReport& report) {
    if (report.kind != StopKind::hard_breakpoint || !is_break_in(session.symbol_text(report.stop.ip)))
        return std::nullopt;
    return nt::read_bug_check(session.kernel());
}

constexpr std::string_view break_in_box =
    "*******************************************************************************\n"
    "*                                                                             *\n"
    "*   The target was stopped from the debugger, by Ctrl-C or by `g /for`.       *\n"
    "*   This is neither a bug of the target nor a crash: `g` lets it go on.       *\n"
    "*                                                                             *\n"
    "*******************************************************************************\n";

std::string_view kind_name(StopKind kind) {
    switch (kind) {
    case StopKind::breakpoint: return "breakpoint";
    case StopKind::step_done: return "step";
    case StopKind::hard_breakpoint: return "hard_breakpoint";
    case StopKind::exception: return "exception";
    case StopKind::module_load: return "module_load";
    case StopKind::module_unload: return "module_unload";
    }
    return "exception";
}

} // namespace

std::string event_text(debugger::Session& session, const StopReport& report) {
    if (report.kind == StopKind::breakpoint) return fmt::format("Hit breakpoint {}", report.breakpoint_id);
    if (const auto* change = std::get_if<target::ModuleChange>(&report.stop.reason))
        return fmt::format("{} module {} at {}", change->loaded ? "Load" : "Unload", change->path,
                           session.address_text(change->base));
    if (const auto* exception = std::get_if<target::ExceptionStop>(&report.stop.reason))
        return exception_text(*exception);
    return "The target offers a command";
}

std::string told_event_text(debugger::Session& session, const target::Stop& stop) {
    if (const auto* change = std::get_if<target::ModuleChange>(&stop.reason))
        return fmt::format("{} {} {}\n", change->loaded ? "ModLoad:" : "Unload:", session.address_text(change->base),
                           change->path);
    return event_text(session, StopReport{.stop = stop}) + "\n";
}

std::string stop_text(debugger::Session& session, const StopReport& report) {
    std::string text;
    if (report.target_restarted) text += "The target was restarted since the last stop.\n";
    const auto* exception = std::get_if<target::ExceptionStop>(&report.stop.reason);
    if (report.kind == StopKind::breakpoint) {
        text += fmt::format("Breakpoint {} hit\n", report.breakpoint_id);
    } else if (std::holds_alternative<target::ModuleChange>(report.stop.reason)) {
        text += event_text(session, report) + "\n";
    } else if (exception && report.kind != StopKind::step_done) {
        text += exception_text(*exception) + "\n";
        if (const auto bug = bug_check(session, report)) {
            const auto& p = bug->parameters;
            return text +
                   fmt::format("The kernel is in a bug check: {:#010x} ({:#x}, {:#x}, {:#x}, {:#x})\n", bug->code, p[0],
                               p[1], p[2], p[3]) +
                   location_text(session, report.stop.ip);
        }
        if (report.requested && is_break_in(session.symbol_text(report.stop.ip))) text += break_in_box;
    }
    if (!report.note.empty()) text += report.note + "\n";
    return text + location_text(session, report.stop.ip);
}

nlohmann::json stop_json(debugger::Session& session, const StopReport& report) {
    nlohmann::json json{{"kind", kind_name(report.kind)},
                        {"ip", render::json_address(report.stop.ip)},
                        {"symbol", session.symbol_text(report.stop.ip)},
                        {"processor", report.stop.processor},
                        {"thread", render::json_address(report.stop.thread)},
                        {"restarted", report.target_restarted}};
    if (report.requested) json["kind"] = "break_in";
    if (auto bug = bug_check(session, report)) {
        json["kind"] = "bug_check";
        json["bug_check"] = {{"code", fmt::format("{:#010x}", bug->code)}, {"parameters", nlohmann::json::array()}};
        for (std::uint64_t parameter : bug->parameters)
            json["bug_check"]["parameters"].push_back(fmt::format("{:#018x}", parameter));
    }
    if (report.kind == StopKind::breakpoint) json["breakpoint"] = report.breakpoint_id;
    if (const auto* exception = std::get_if<target::ExceptionStop>(&report.stop.reason)) {
        json["code"] = fmt::format("{:#010x}", exception->code);
        json["first_chance"] = exception->first_chance;
    }
    if (const auto* change = std::get_if<target::ModuleChange>(&report.stop.reason)) {
        json["module"] = change->path;
        json["base"] = render::json_address(change->base);
    }
    return json;
}

} // namespace poolkd::commands
