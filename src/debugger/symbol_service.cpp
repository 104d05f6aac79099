#include "debugger/symbol_service.h"

namespace poolkd::debugger {

namespace {

nt::SymbolState state_of(const symbols::ModuleSymbols* symbols) {
    if (!symbols || symbols->provenance() == symbols::Provenance::none) return nt::SymbolState::none;
    return symbols->provenance() == symbols::Provenance::exports ? nt::SymbolState::exports : nt::SymbolState::loaded;
}

} // namespace

SymbolService::SymbolService(symbols::SymbolEnvironment environment, Work& work)
    : environment_(std::move(environment)), work_(work),
      servers_(symbols::HttpLimits{.proxy = environment_.symbol_proxy.value_or("")}) {
    set_path(environment_.initial_path());
}

void SymbolService::set_path(std::string_view text) {
    path_ = symbols::SymbolPath::parse(text, environment_);
    servers_.forget();
}

void SymbolService::append_path(std::string_view text) {
    if (text.empty()) return;
    set_path(path_.text().empty() ? std::string(text) : path_.text() + ";" + std::string(text));
}

void SymbolService::fix_path(std::string_view folder, bool append) {
    const std::string text = symbols::SymbolPath::symfix(folder);
    append ? append_path(text) : set_path(text);
}

void SymbolService::load(nt::Module& module) {
    if (!module.image) return;
    const symbols::ImageIdentity identity{module.image_name, module.timestamp, module.size};
    module.image->use_file([this, identity] {
        return symbols::find_image(identity, path_, {.servers = &servers_, .log = nullptr, .work = &work_});
    });
    symbols::SearchLog log(noisy_);
    symbols::LoadedSymbols loaded = store_.load(*module.image, pe::ImageLayout::memory, identity, path_,
                                                {.servers = &servers_, .log = noisy_ ? &log : nullptr, .work = &work_});
    if (loaded.stopped) {
        module.symbol_state = nt::SymbolState::deferred;
        return;
    }
    module.symbols = std::move(loaded.symbols);
    module.symbol_note = std::move(loaded.note);
    module.missing_file = std::move(loaded.missing);
    module.symbol_state = state_of(module.symbols.get());
    if (!noisy_) return;
    noisy_(module.symbols ? fmt::format("DBGHELP: {} - {} {}", module.name, to_words(module.symbols->provenance()),
                                        module.symbols->file())
                          : fmt::format("DBGHELP: {} - no symbols", module.name));
}

} // namespace poolkd::debugger
