#include "app/sites_command.h"

#include "app/answer_output.h"
#include "app/file_work.h"
#include "app/image_sites.h"
#include "app/options.h"
#include "app/subcommand.h"
#include "render/coverage.h"
#include "render/sites.h"

#include <CLI/CLI.hpp>

namespace poolkd::app {

namespace {

constexpr const char* sites_examples = R"(
Drivers and kernels as they lie on disk, x64 and x86. Each call, jump or thunk to a routine that allocates from the pool,
frees to it or initialises a lookaside list is a site, also through functions of the driver that pass their own argument on
(wrappers). Listed are the sites that allocate under a tag of their own, or under one that cannot be told. The PDB beside a
file is found, and others along the symbol path.

  poolkd sites leaky.sys                       what it allocates, under which tags, from where
  poolkd sites --tag Abc* drivers/*.sys        which of them allocate or free under these tags
  poolkd sites --unresolved leaky.sys          where the tag cannot be told, and why
  poolkd sites --all --json leaky.sys          everything, for programs

Exit codes: 0 done, also when there are no sites; 1 a file could not be looked through whole, or the user stopped; 2 the command
line is wrong.)";

struct SitesWords {
    std::vector<std::string> files;
    std::optional<std::string> symbol_path;
    render::SiteView view;
    bool json = false, no_cache = false;

    void add_to(CLI::App& command);
};

void SitesWords::add_to(CLI::App& command) {
    command.add_option("files", files, "images of drivers or kernels")->type_name("FILE")->required();
    command.add_option("--tag", view.tag_pattern, "only sites of this tag, frees too; * and ? as in a pattern")
        ->type_name("TAG");
    command.add_flag("--unresolved", view.unresolved, "only sites whose tag cannot be told");
    command.add_flag("--all", view.all, "also frees, and the calls inside wrappers");
    command.add_option("-y", symbol_path, "symbol path")->type_name("PATH");
    command.add_flag("--no-cache", no_cache,
                     "look through the code anew, and keep nothing (as with POOLKD_SITE_CACHE set to nothing)");
    command.add_flag("--json", json, "answer in JSON (docs/json.md)")->group("Output");
}

std::vector<render::SiteModule> modules_of(const SitesWords& words, const std::vector<Result<code::SiteIndex>>& found) {
    std::vector<render::SiteModule> modules;
    for (std::size_t i = 0; i < found.size(); ++i) {
        render::SiteModule module;
        module.name = std::filesystem::path(words.files[i]).stem().string();
        module.heading = words.files[i];
        if (found[i]) {
            module.index = &*found[i];
        } else {
            module.error = found[i].error().message;
        }
        modules.push_back(std::move(module));
    }
    return modules;
}

/// Tells on stderr what could not be looked at, and gives the exit code.
int tell_failures(const SitesWords& words, const std::vector<Result<code::SiteIndex>>& found, const Work& work) {
    int code = exit_good;
    std::size_t left_out = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (found[i]) {
            if (found[i]->coverage.missing() != 0) code = exit_command_failed; // the answer says what
            continue;
        }
        if (found[i].error().kind == ErrorKind::stopped) {
            ++left_out;
        } else {
            code = tell_failure({found[i].error().kind, words.files[i] + ": " + found[i].error().message});
        }
    }
    if (work.stop_requested())
        code = tell_failure(
            {ErrorKind::stopped, fmt::format("Stopped: {} of {} files were not looked at", left_out, found.size())});
    return code;
}

int run_sites(SitesWords& words) {
    const std::string& tag = words.view.tag_pattern;
    if (tag.size() > 4 && !tag.contains('*'))
        return tell_failure({ErrorKind::usage, fmt::format("'{}' is no tag: a tag has four characters (a pattern may "
                                                           "hold * and ?)",
                                                           tag)});
    FileWork file_work;
    ImageSites images(words.symbol_path, words.no_cache ? code::SiteCache() : code::SiteCache::of_process());
    const auto found = images.of({words.files.begin(), words.files.end()}, file_work.work());
    clear_progress(file_work.work());
    const int code = tell_failures(words, found, file_work.work());
    auto modules = modules_of(words, found);
    if (words.json) {
        Coverage coverage;
        for (const auto& index : found)
            if (index) coverage.merge(index->coverage);
        write_json_answer({{"command", "sites"},
                           {"modules", render::sites_json(modules, words.view)},
                           {"coverage", render::to_json(coverage)}});
        return code;
    }
    std::erase_if(modules, [](const render::SiteModule& module) { return !module.index; }); // told on stderr
    render::SiteView view = words.view;
    view.quiet_when_empty = modules.size() > 1 && (view.unresolved || !tag.empty());
    write_answer(render::sites_text(modules, view));
    return code;
}

} // namespace

void add_sites_command(CLI::App& program, int& exit_code) {
    add_subcommand(program, exit_code, "sites",
                   "where drivers allocate from the pool and free to it, and under which tags", sites_examples,
                   run_sites);
}

} // namespace poolkd::app
