#include "commands/symbols.h"
#include "debugger/session.h"
#include "render/coverage.h"

#include <algorithm>
#include <ctime>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

struct ListOptions {
    bool verbose = false, names_only = false, loaded_only = false, problems_only = false, by_name = false,
         checksums = false;
    bool unloaded = true;
    std::string name_pattern, path_pattern;
    std::optional<VirtAddr> address;
};

std::string status_of(const nt::Module& module) {
    switch (module.symbol_state) {
    case nt::SymbolState::deferred: return "(deferred)";
    case nt::SymbolState::exports: return "(export symbols)";
    case nt::SymbolState::none: return "(no symbols)";
    case nt::SymbolState::loaded: break;
    }
    return fmt::format("({})", to_words(module.symbols->provenance()));
}

/// Options are joined to the name and to each other: `lmvm nt`, `lm1m`, `lmsm`.
Result<ListOptions> list_options(Session& session, Arguments& arguments) {
    ListOptions options;
    bool want_name = false, want_path = false, want_address = false;
    auto take_letters = [&](std::string_view letters) -> Result<void> {
        for (std::size_t i = 0; i < letters.size(); ++i) {
            switch (letters[i]) {
            case 'v': options.verbose = true; break;
            case '1': options.names_only = true; break;
            case 'l':
            case 'o':
                options.loaded_only = letters[i] == 'l';
                options.unloaded = false;
                break;
            case 'e': options.problems_only = true; break;
            case 'c': options.checksums = true; break;
            case 's':
                options.by_name = true;
                if (i + 1 < letters.size() && letters[i + 1] == 'm') ++i;
                break;
            case 'D':
            case 'k':
            case 'u':
            case 'i':
            case 'f':
            case 'n':
            case 'p':
            case 't': break; // other columns: accepted
            case 'm': want_name = i + 1 == letters.size() && !options.names_only; break;
            case 'M': want_path = true; break;
            case 'a': want_address = true; break;
            default: return fail(ErrorKind::usage, "lm does not know the option '{}'", letters[i]);
            }
        }
        return {};
    };
    if (arguments.touches_name()) POOLKD_CHECK(take_letters(arguments.word()));
    while (!arguments.done()) {
        if (want_address) {
            POOLKD_TRY(options.address, session.address(arguments));
            want_address = false;
        } else if (want_name) {
            options.name_pattern = arguments.text();
            want_name = false;
        } else if (want_path) {
            options.path_pattern = arguments.text();
            want_path = false;
        } else {
            POOLKD_CHECK(take_letters(arguments.word()));
            if (options.names_only && !arguments.done()) want_name = true;
        }
    }
    return options;
}

bool selected(const nt::Module& module, const ListOptions& options) {
    if (!options.name_pattern.empty() && !wildcard_match(options.name_pattern, module.name)) return false;
    if (!options.path_pattern.empty() && !wildcard_match(options.path_pattern, module.path) &&
        !wildcard_match(options.path_pattern, module.image_name))
        return false;
    if (options.address && !module.contains(*options.address)) return false;
    if (options.loaded_only && module.symbol_state == nt::SymbolState::deferred) return false;
    if (options.problems_only && module.symbol_note.empty()) return false;
    return true;
}

std::string time_text(std::uint32_t stamp) {
    const std::time_t seconds = stamp;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[64];
    std::strftime(text, sizeof text, "%a %b %d %H:%M:%S %Y UTC", &parts);
    return text;
}

std::string row(Session& session, const nt::Module& module, bool checksums) {
    const std::string range =
        fmt::format("{} {}", session.address_text(module.base), session.address_text(module.base + module.size));
    if (checksums)
        return fmt::format("{}   {:<10} {:08x} {:08x}", range, module.name, module.checksum, module.timestamp);
    return fmt::format("{}   {:<10} {:<22} {}", range, module.name, status_of(module),
                       module.symbols ? module.symbols->file() : std::string{});
}

std::string details(const nt::Module& m) {
    std::string text;
    if (m.symbols && !m.symbols->file().empty()) text += fmt::format("    Symbol file: {}\n", m.symbols->file());
    if (!m.symbol_note.empty()) text += fmt::format("    Symbols: {}\n", m.symbol_note);
    text += fmt::format("    Image path: {}\n    Image name: {}\n    Timestamp:        {} ({:08X})\n    CheckSum:      "
                        "   {:08X}\n    ImageSize:        {:08X}\n",
                        m.path, m.image_name, time_text(m.timestamp), m.timestamp, m.checksum, m.size);
    return text;
}

nlohmann::json module_json(const nt::Module& m) {
    return {{"name", m.name},
            {"image", m.image_name},
            {"path", m.path},
            {"base", render::json_address(m.base)},
            {"end", render::json_address(m.base + m.size)},
            {"size", m.size},
            {"timestamp", m.timestamp},
            {"checksum", m.checksum},
            {"symbols", status_of(m)},
            {"symbol_file", m.symbols ? m.symbols->file() : std::string{}},
            {"note", m.symbol_note}};
}

/// In the order in which they went.
std::vector<nt::UnloadedModule> unloaded_in_order(Session& session) {
    const auto newest_first = session.kernel().modules().unloaded();
    std::vector<nt::UnloadedModule> unloaded(newest_first.begin(), newest_first.end());
    std::ranges::stable_sort(unloaded, {}, &nt::UnloadedModule::time);
    return unloaded;
}

void list_unloaded(Session& session) {
    const auto unloaded = unloaded_in_order(session);
    const Coverage& coverage = session.kernel().modules().unloaded_coverage();
    if (unloaded.empty() && coverage.complete()) return;
    session.write("\nUnloaded modules:\n");
    for (const nt::UnloadedModule& module : unloaded)
        session.print("{} {}   {}\n", session.address_text(module.start), session.address_text(module.end),
                      module.name);
    if (!coverage.complete()) session.print("{}\n", coverage.sentence());
}

Result<void> list(Session& session, Arguments& arguments) {
    POOLKD_TRY(ListOptions options, list_options(session, arguments));
    std::vector<const nt::Module*> modules;
    for (const auto& module : session.kernel().modules().loaded()) {
        if (!selected(*module, options)) continue;
        if (options.verbose || options.checksums || arguments.json) session.kernel().modules().identify(*module);
        modules.push_back(module.get());
    }
    if (options.by_name)
        std::ranges::sort(
            modules, [](const nt::Module* a, const nt::Module* b) { return to_lower(a->name) < to_lower(b->name); });
    else
        std::ranges::sort(modules, {}, &nt::Module::base);
    if (arguments.json) {
        nlohmann::json json{{"modules", nlohmann::json::array()}, {"unloaded", nlohmann::json::array()}};
        for (const nt::Module* module : modules)
            json["modules"].push_back(module_json(*module));
        for (const nt::UnloadedModule& module : unloaded_in_order(session))
            json["unloaded"].push_back({{"name", module.name},
                                        {"start", render::json_address(module.start)},
                                        {"end", render::json_address(module.end)}});
        session.write_json(json);
        return {};
    }
    if (options.names_only) {
        for (const nt::Module* module : modules)
            session.print("{}\n", module->name);
        return {};
    }
    session.print("{:<{}} {:<{}}   module name\n", "start", session.pointer_size() == 8 ? 17 : 8, "end",
                  session.pointer_size() == 8 ? 17 : 8);
    for (const nt::Module* module : modules) {
        std::string text = row(session, *module, options.checksums);
        text.resize(text.find_last_not_of(' ') + 1);
        session.print("{}\n", text);
        if (options.verbose) session.write(details(*module));
    }
    const bool filtered = !options.name_pattern.empty() || !options.path_pattern.empty() || options.address;
    if (options.unloaded && !filtered) list_unloaded(session);
    return {};
}

} // namespace

void add_module_list_commands(debugger::CommandTable& table) {
    table.add(Command{.names = {"lm"},
                      .family = "Symbols",
                      .summary = "list modules and the state of their symbols",
                      .syntax = "lm[v][1][l][e][c][sm] [m Pattern] [M Pattern] [a Address] [--json]",
                      .help = "v tells all of each module, l lists those with loaded symbols, e those with trouble. m "
                              "takes names without "
                              "extension: `lm m leaky`.",
                      .may_touch = true,
                      .json = true,
                      .run = list});
}

} // namespace poolkd::commands
