#include "commands/symbols.h"
#include "debugger/session.h"
#include "render/coverage.h"

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

constexpr std::size_t row_limit = 10000; // of one module; what is cut is told

struct SearchOptions {
    bool functions_only = false, data_only = false, verbose = false, types = false;
    int bare = -1; ///< /0 addresses, /1 names, /2 both: for .foreach
};

std::string value_text(Session& session, nt::Module& module, const symbols::Symbol& symbol) {
    if (symbol.is_code) return " (<no parameter info>)";
    auto type = module.symbols->type_of_symbol(symbol.name);
    if (!type || !*type) return " = <no type information>";
    const std::uint64_t size = (*type)->size;
    const bool plain = (*type)->kind != symbols::TypeKind::structure && (*type)->kind != symbols::TypeKind::union_ &&
                       (*type)->kind != symbols::TypeKind::array;
    if (plain && size >= 1 && size <= 8)
        if (auto value = memory::read_unsigned(session.memory(), module.base + symbol.rva, static_cast<unsigned>(size)))
            return fmt::format(" = {:#x}", *value);
    return fmt::format(" = struct {}", (*type)->name);
}

Result<void> examine(Session& session, Arguments& arguments) {
    SearchOptions options;
    while (arguments.peek() == '/') {
        if (arguments.take_option("f"))
            options.functions_only = true;
        else if (arguments.take_option("d"))
            options.data_only = true;
        else if (arguments.take_option("v"))
            options.verbose = true;
        else if (arguments.take_option("t"))
            options.types = true;
        else if (arguments.take_option("0"))
            options.bare = 0;
        else if (arguments.take_option("1"))
            options.bare = 1;
        else if (arguments.take_option("2"))
            options.bare = 2;
        else if (arguments.take_option("a") || arguments.take_option("n") || arguments.take_option("q") ||
                 arguments.take_option("p") || arguments.take_option("D"))
            continue;
        else
            return fail(ErrorKind::usage, "x does not know the option '{}'", arguments.word());
    }
    const std::string pattern = arguments.text();
    POOLKD_CHECK(session.no_more(arguments));
    const std::size_t bang = pattern.find('!');
    if (bang == std::string::npos)
        return fail(ErrorKind::usage, "Which module? x Module!Pattern (x *!Pattern looks in all)");
    const std::string module_pattern = pattern.substr(0, bang), symbol_pattern = pattern.substr(bang + 1);
    nt::Modules& modules = session.kernel().modules();
    nlohmann::json json = nlohmann::json::array();
    bool any_module = false;
    std::string notes;
    for (const auto& module : modules.loaded()) {
        if (!wildcard_match(module_pattern, module->name)) continue;
        any_module = true;
        symbols::ModuleSymbols* source = modules.symbols(*module);
        if (!source) {
            notes += fmt::format("{}: {}\n", module->name, module->symbol_note);
            continue;
        }
        std::vector<symbols::Symbol> found = source->match(symbol_pattern, row_limit + 1);
        const bool cut = found.size() > row_limit;
        if (cut) found.resize(row_limit);
        for (const symbols::Symbol& symbol : found) {
            if ((options.functions_only && !symbol.is_code) || (options.data_only && symbol.is_code)) continue;
            const VirtAddr address = module->base + symbol.rva;
            const std::string name = module->name + "!" + symbol.name;
            if (arguments.json) {
                json.push_back({{"address", render::json_address(address)},
                                {"module", module->name},
                                {"name", symbol.name},
                                {"code", symbol.is_code},
                                {"size", symbol.size}});
            } else if (options.bare == 0) {
                session.print("{}\n", session.address_text(address));
            } else if (options.bare == 1) {
                session.print("{}\n", name);
            } else if (options.bare == 2) {
                session.print("{} {}\n", session.address_text(address), name);
            } else {
                std::string front = options.verbose
                                        ? fmt::format("{} {} {:4x} ", symbol.is_code ? "pub func  " : "pub global",
                                                      session.address_text(address), symbol.size)
                                        : session.address_text(address) + " ";
                session.print("{}{}{}\n", front, name, value_text(session, *module, symbol));
            }
            if (session.work().stop_requested()) return fail(ErrorKind::stopped, "Stopped at {}", name);
        }
        if (cut)
            notes += fmt::format("{}: more than {} symbols match; only those at the lowest addresses are shown\n",
                                 module->name, row_limit);
    }
    if (!any_module) return fail(ErrorKind::not_found, "'{}' is no loaded module", module_pattern);
    if (arguments.json)
        session.write_json(nlohmann::json{{"symbols", json}, {"notes", notes}});
    else
        session.write(notes);
    return {};
}

Result<void> nearest(Session& session, Arguments& arguments) {
    POOLKD_TRY(VirtAddr address, session.address(arguments));
    POOLKD_CHECK(session.no_more(arguments));
    nt::SymbolAt at = session.kernel().modules().at(address);
    if (arguments.json) {
        nlohmann::json json{
            {"address", render::json_address(address)}, {"text", at.text()}, {"displacement", at.displacement}};
        if (at.module) json["module"] = at.module->name;
        if (at.symbol) json["symbol"] = at.symbol->name;
        session.write_json(json);
        return {};
    }
    if (!at.symbol) {
        if (at.text().empty())
            return fail(ErrorKind::not_found, "No loaded or unloaded module holds {}", session.address_text(address));
        session.print("({})   {}\n", session.address_text(address), at.text());
        if (at.module && !at.module->symbol_note.empty()) session.print("{}\n", at.module->symbol_note);
        return {};
    }
    const auto rva = static_cast<std::uint32_t>(address - at.module->base);
    if (auto line = at.module->symbols->line(rva))
        session.print("{}({}){}\n", line->file, line->line,
                      line->displacement ? fmt::format("+{:#x}", line->displacement) : std::string{});
    std::string next;
    if (auto symbol = at.module->symbols->next(rva))
        next = fmt::format("({})   {}!{}", session.address_text(at.module->base + symbol->rva), at.module->name,
                           symbol->name);
    session.print("({})   {}   |  {}\n", session.address_text(at.module->base + at.symbol->rva), at.text(), next);
    if (at.displacement == 0) session.print("Exact matches:\n    {}\n", at.text());
    return {};
}

} // namespace

void add_symbol_search_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"x"},
        .family = "Symbols",
        .summary = "symbols that match a pattern",
        .syntax = "x [/f /d /v /0 /1 /2] Module!Pattern [--json]",
        .help =
            "Loads the symbols of the modules. /f functions, /d data; /0 addresses, /1 names, /2 both, for scripts.",
        .json = true,
        .run = examine});
    table.add(Command{.names = {"ln"},
                      .family = "Symbols",
                      .summary = "the symbol at or before an address, and the next",
                      .syntax = "ln Address [--json]",
                      .json = true,
                      .run = nearest});
}

} // namespace poolkd::commands
