#include "render/crash.h"

#include "base/text.h"
#include "render/coverage.h"
#include "render/pool_blocks.h"
#include "render/stack.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace poolkd::render {

namespace {

constexpr std::string_view box = "*******************************************************************************\n"
                                 "*                                                                             *\n"
                                 "*                        Bugcheck Analysis                                    *\n"
                                 "*                                                                             *\n"
                                 "*******************************************************************************\n\n";

/// Sixteen digits, or eight, as kd writes arguments: without the sign that widens 32-bit addresses.
std::string argument(std::uint64_t value, unsigned pointer_size) {
    return pointer_size == 8 ? fmt::format("{:016x}", value) : fmt::format("{:08x}", value & 0xffffffff);
}

std::string what_happened(const hunt::CrashReport& report) {
    if (report.meaning) return std::string(report.meaning->what);
    if (report.bug_check.code == 0x161)
        return "The dump was taken of a system that went on running: there was no bug check.";
    if (report.bug_check.code == 0xe2) return "Somebody made the system crash on purpose.";
    if (report.bug_check.code == 0x19 || report.bug_check.code == 0xc2)
        return fmt::format("The pool was misused in a way that is not described (subcode {:#x}).",
                           report.bug_check.parameters[0]);
    return "This bug check is not one of those about pool.";
}

std::string list(std::string_view head, const std::vector<std::string>& sentences) {
    if (sentences.empty()) return {};
    std::string text = fmt::format("\n{}\n", head);
    for (const std::string& sentence : sentences)
        text += fmt::format("  - {}\n", sentence);
    return text;
}

std::string culprit_text(const hunt::Culprit& culprit) {
    return culprit.site.empty() ? culprit.image : fmt::format("{} ( {} )", culprit.image, culprit.site);
}

std::string arguments_text(const hunt::CrashReport& report, unsigned pointer_size) {
    std::string text = "Arguments:\n";
    for (std::size_t i = 0; i < 4; ++i) {
        const std::string_view words = report.meaning ? report.meaning->arguments[i] : std::string_view();
        text += fmt::format("Arg{}: {}{}{}\n", i + 1, argument(report.bug_check.parameters[i], pointer_size),
                            words.empty() ? "" : ", ", words);
    }
    return text;
}

std::string details_text(const hunt::CrashReport& report) {
    std::string text =
        fmt::format("\nDebugging Details:\n------------------\n\nBUGCHECK_CODE:  {:x}\n\n", report.bug_check.code);
    for (std::size_t i = 0; i < 4; ++i)
        text += fmt::format("BUGCHECK_P{}: {:x}\n\n", i + 1, report.bug_check.parameters[i]);
    return text;
}

} // namespace

std::string bug_check_text(const nt::BugCheck& bug_check, unsigned pointer_size) {
    std::string text = fmt::format("Bugcheck code {:08X}\nArguments", bug_check.code);
    for (const std::uint64_t parameter : bug_check.parameters)
        text += " " + format_address(parameter, pointer_size);
    return text + "\n";
}

nlohmann::json bug_check_json(const nt::BugCheck& bug_check) {
    nlohmann::json json{{"code", fmt::format("{:#010x}", bug_check.code)},
                        {"name", nt::bug_check_name(bug_check.code)},
                        {"parameters", nlohmann::json::array()},
                        {"from_header", bug_check.from_header}};
    for (const std::uint64_t parameter : bug_check.parameters)
        json["parameters"].push_back(fmt::format("{:#018x}", parameter));
    return json;
}

std::string crash_text(const hunt::CrashReport& report, bool verbose, unsigned pointer_size) {
    const nt::BugCheck& bug_check = report.bug_check;
    const auto& p = bug_check.parameters;
    std::string text(box);
    const std::string name = report.name.empty() ? std::string("Unknown bug check") : std::string(report.name);
    if (verbose) {
        text += fmt::format("{} ({:x})\n{}\n{}{}", name, bug_check.code, what_happened(report),
                            arguments_text(report, pointer_size), details_text(report));
    } else {
        text += fmt::format("BugCheck {:X}, {{{:x}, {:x}, {:x}, {:x}}}\n\n{}: {}\n", bug_check.code, p[0], p[1], p[2],
                            p[3], name, what_happened(report));
    }
    if (verbose && !report.stack.value.frames.empty())
        text += fmt::format("STACK_TEXT:\n{}\n", stack_text(report.stack.value, report.names, {}));
    text += list("What shows it:", report.findings);
    std::vector<std::string> missing = report.missing;
    if (!report.coverage.complete()) missing.push_back(report.coverage.sentence());
    text += list("What could not be read:", missing);
    text += "\n";
    if (report.culprit)
        text += fmt::format("Probably caused by : {}\n{} ", culprit_text(*report.culprit), report.culprit->why);
    text += report.how_sure + "\n";
    for (const hunt::Advice& advice : report.advice)
        text += fmt::format("{}{:<30} {}\n", &advice == report.advice.data() ? "\nNext:\n  " : "  ", advice.command,
                            advice.why);
    return text;
}

nlohmann::json crash_json(const hunt::CrashReport& report) {
    nlohmann::json json{{"bug_check", bug_check_json(report.bug_check)},
                        {"what", what_happened(report)},
                        {"about_pool", report.meaning.has_value()},
                        {"findings", report.findings},
                        {"missing", report.missing},
                        {"how_sure", report.how_sure},
                        {"stack", stack_json(report.stack, report.names)},
                        {"coverage", to_json(report.coverage)}};
    json["arguments"] = nlohmann::json::array();
    if (report.meaning)
        for (const std::string_view words : report.meaning->arguments)
            json["arguments"].push_back(words);
    if (report.tag) json["tag"] = report.tag->bare().text();
    if (report.evidence_agrees) json["evidence_agrees"] = *report.evidence_agrees;
    json["owners"] = nlohmann::json::array();
    for (const hunt::TagOwner& owner : report.owners)
        json["owners"].push_back({{"image", owner.image}, {"evidence", owner.evidence}, {"proven", owner.proven}});
    if (report.culprit)
        json["culprit"] = {
            {"image", report.culprit->image}, {"site", report.culprit->site}, {"why", report.culprit->why}};
    if (report.surroundings) {
        const pool::Surroundings& around = *report.surroundings;
        nlohmann::json& pool = json["pool"];
        pool["readable"] = around.readable;
        if (around.region) pool["region"] = *around.region == pool::PoolKind::paged ? "paged" : "nonpaged";
        if (around.holder) pool["block"] = block_json(around.blocks[*around.holder]);
        if (around.broken) pool["broken"] = {{"at", json_address(around.broken->at)}, {"why", around.broken->why}};
    }
    json["advice"] = nlohmann::json::array();
    for (const hunt::Advice& advice : report.advice)
        json["advice"].push_back({{"command", advice.command}, {"why", advice.why}});
    return json;
}

} // namespace poolkd::render
