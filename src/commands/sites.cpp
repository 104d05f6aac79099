#include "commands/sites.h"

#include "code/site_index.h"
#include "commands/tag_argument.h"
#include "debugger/session.h"
#include "render/coverage.h"
#include "render/sites.h"

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

/// `!sites [Tag] [/m Module] [/a] [/u]`.
struct SitesRequest {
    render::SiteView view;
    std::string module; ///< empty: all
};

Result<SitesRequest> parse_sites(Arguments& arguments) {
    SitesRequest request;
    while (!arguments.done()) {
        if (arguments.take_option("a")) {
            request.view.all = true;
        } else if (arguments.take_option("u")) {
            request.view.unresolved = true;
        } else if (arguments.take_option("m")) {
            request.module = arguments.text();
            if (request.module.empty()) return fail(ErrorKind::usage, "/m takes the name of a module");
        } else if (request.view.tag_pattern.empty()) {
            request.view.tag_pattern = arguments.text();
            if (const auto tag = escaped_tag(request.view.tag_pattern)) request.view.tag_pattern = tag->text();
            if (request.view.tag_pattern.size() > 4 && request.view.tag_pattern.find('*') == std::string::npos)
                return fail(ErrorKind::usage, "'{}' is no tag: a tag has four characters (a pattern may hold * and ?)",
                            request.view.tag_pattern);
        } else {
            return fail(ErrorKind::usage, "One tag or pattern: {} is too many", arguments.text());
        }
    }
    return request;
}

Result<Answer<std::vector<const code::ModuleSites*>>> find_sites(Session& session, const SitesRequest& request) {
    if (request.module.empty()) return session.sites().all(session.work());
    nt::Module* module = session.kernel().modules().find(request.module);
    if (!module) return fail(ErrorKind::not_found, "No module is named {}", request.module);
    Answer<std::vector<const code::ModuleSites*>> answer;
    answer.value.push_back(session.sites().of(*module, session.work()));
    answer.coverage = answer.value.front()->index.coverage;
    return answer;
}

Result<void> sites(Session& session, Arguments& arguments) {
    POOLKD_TRY(SitesRequest request, parse_sites(arguments));
    POOLKD_TRY(auto found, find_sites(session, request));
    request.view.pointer_size = session.pointer_size();
    request.view.quiet_when_empty = request.module.empty();
    std::vector<render::SiteModule> modules;
    for (const code::ModuleSites* one : found.value)
        modules.push_back({.name = one->module,
                           .heading = one->module,
                           .base = one->base,
                           .index = one->error.empty() ? &one->index : nullptr,
                           .error = one->error});
    if (!arguments.json) {
        session.write(render::sites_text(modules, request.view));
        if (found.coverage.stopped()) session.write(found.coverage.sentence() + "\n");
        return {};
    }
    session.write_json(
        {{"modules", render::sites_json(modules, request.view)}, {"coverage", render::to_json(found.coverage)}});
    return {};
}

} // namespace

void add_site_commands(debugger::CommandTable& table) {
    table.add(
        {.names = {"!sites"},
         .family = "Pool",
         .summary = "where drivers allocate from the pool and free to it, and under which tags",
         .syntax = "!sites [Tag] [/m Module] [/a] [/u] [--json]",
         .help = "Looks through the code of every loaded module, once a session. A site is a call, jump or thunk to a "
                 "pool routine, also through functions that pass their own argument on (wrappers). Listed are the "
                 "sites that allocate under a tag of their own, or one that cannot be told; with a tag or a pattern "
                 "of * and ?, those of it, frees too. What the code of a module does not give up is told.",
         .options = {{"/m Module", "only this module"},
                     {"/a", "also frees, and the calls inside wrappers"},
                     {"/u", "only sites whose tag cannot be told"}},
         .json = true,
         .run = sites});
}

} // namespace poolkd::commands
