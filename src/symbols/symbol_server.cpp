#include "symbols/symbol_server.h"

#include "base/text.h"
#include "symbols/cabinet.h"
#include "symbols/store_pointer.h"

namespace poolkd::symbols {

struct SymbolServers::Request {
    std::string server; ///< without a slash at its end
    const StoreKey& key;
    const StoreFolder& into;
    const FileCheck& check;
    SearchLog* log;
    Work* work;

    void say(std::string line) const {
        if (log) log->add("SYMSRV:  " + std::move(line));
    }
};

namespace {

std::string without_slash(std::string_view url) {
    while (url.ends_with('/'))
        url.remove_suffix(1);
    return std::string(url);
}

std::string escaped_path(std::string_view path) {
    std::string out;
    for (std::string_view part : split(path, '/'))
        out += "/" + url_escape(part);
    return out;
}

/// kd writes the status as the HRESULT that its library makes of it.
std::string status_text(const HttpAnswer& answer) {
    if (answer.status == 0) return answer.problem;
    return fmt::format("HttpQueryInfo: {:x} - {}", 0x80190000u + static_cast<unsigned>(answer.status),
                       answer.status == 404 ? "HTTP_STATUS_NOT_FOUND" : answer.problem);
}

} // namespace

SymbolServers::SymbolServers(HttpLimits limits) : http_(limits), max_bytes_(limits.bytes) {}

void SymbolServers::forget() {
    std::scoped_lock lock(mutex_);
    unusable_.clear();
    refused_.clear();
    two_tiers_.clear();
}

Result<std::string> SymbolServers::fetch(const std::string& server, const StoreKey& key, const StoreFolder& into,
                                         const FileCheck& check, SearchLog* log, Work* work) {
    std::scoped_lock lock(mutex_);
    Request request{without_slash(server), key, into, check, log, work};
    if (auto known = unusable_.find(request.server); known != unusable_.end()) {
        request.say(fmt::format("{} - not asked again: it {}", request.server, known->second));
        return fail(ErrorKind::io, "{} {}", request.server, known->second);
    }
    const std::string file = request.server + "/" + key.path();
    if (auto known = refused_.find(file); known != refused_.end()) {
        request.say(fmt::format("{} - not asked again", file));
        return std::unexpected(known->second);
    }
    auto fetched = ask(request);
    // The user's wish and our own disk say nothing about the server.
    if (!fetched && fetched.error().kind != ErrorKind::stopped && fetched.error().kind != ErrorKind::io)
        refused_.emplace(file, fetched.error());
    return fetched;
}

Result<std::string> SymbolServers::ask(Request& request) {
    auto fetched = ask_folder(request, request.key.folder());
    if (fetched || fetched.error().kind != ErrorKind::not_found) return fetched;
    POOLKD_TRY(const bool two_tiers, has_two_tiers(request));
    if (!two_tiers) return fetched;
    return ask_folder(request, request.key.two_tier_folder());
}

Result<std::string> SymbolServers::ask_folder(Request& request, const std::string& folder) {
    const std::string base = request.server + escaped_path(folder);
    const auto take = [&](StagedFile file) -> Result<std::string> {
        if (auto good = request.check(file.path()); !good) {
            request.say(fmt::format("{} from {} - {}", request.key.name, request.server, good.error().message));
            return fail(good.error().kind, "{} sent another file than {}", request.server, request.key.path());
        }
        POOLKD_TRY(std::string name, request.into.publish(std::move(file), request.key));
        request.say(fmt::format("{} from {} - copied to {}", request.key.name, request.server, name));
        return name;
    };
    auto plain = get(request, base + "/" + url_escape(request.key.name));
    if (plain) return take(std::move(*plain));
    if (plain.error().kind != ErrorKind::not_found) return std::unexpected(std::move(plain).error());

    auto packed = get(request, base + "/" + url_escape(request.key.packed_name()));
    if (packed) {
        POOLKD_TRY(StagedFile unpacked, request.into.stage());
        if (auto done = unpack_cabinet(packed->path(), unpacked.path(), max_bytes_); !done) {
            request.say(done.error().message);
            return fail(done.error().kind, "{} sent a damaged {}", request.server, request.key.packed_name());
        }
        return take(std::move(unpacked));
    }
    if (packed.error().kind != ErrorKind::not_found) return std::unexpected(std::move(packed).error());

    auto pointer = get(request, base + "/file.ptr");
    if (!pointer) return std::unexpected(std::move(pointer).error());
    POOLKD_TRY(StorePointer target, read_store_pointer(pointer->path()));
    if (target.path.empty()) {
        request.say(fmt::format("{}/file.ptr - {}", base, target.message));
        return fail(ErrorKind::not_found, "{} says: {}", request.server, target.message);
    }
    request.say(fmt::format("{}/file.ptr - points to {}", base, target.path));
    if (is_url(target.path)) {
        POOLKD_TRY(StagedFile file, get(request, target.path));
        return take(std::move(file));
    }
    // A share that is mounted here is as good as the server.
    const std::string path = local_path(target.path);
    if (auto good = request.check(path); !good)
        return fail(ErrorKind::not_found, "{} points to {}, which cannot be used here", request.server, target.path);
    return request.into.copy_in(path, request.key);
}

Result<StagedFile> SymbolServers::get(Request& request, const std::string& url) {
    POOLKD_TRY(StagedFile file, request.into.stage());
    request.say("HTTPGET: " + url);
    Result<void> written;
    const auto sink = [&](Bytes bytes) {
        written = file.write(bytes);
        return written.has_value();
    };
    HttpAnswer answer = http_.get(url, sink, request.work, request.key.name);
    if (answer.outcome != HttpOutcome::done) request.say(status_text(answer));
    switch (answer.outcome) {
    case HttpOutcome::done: request.say(fmt::format("{} bytes", answer.bytes)); return file;
    case HttpOutcome::absent:
        return fail(ErrorKind::not_found, "{} does not have {}", request.server, request.key.path());
    case HttpOutcome::broken: return fail(ErrorKind::malformed, "{} {}", request.server, answer.problem);
    case HttpOutcome::refused: return std::unexpected(std::move(written).error());
    case HttpOutcome::stopped:
        return fail(ErrorKind::stopped, "Stopped while {} was asked for {}", request.server, request.key.name);
    case HttpOutcome::down: break;
    }
    unusable_[request.server] = answer.problem;
    return fail(ErrorKind::io, "{} {}", request.server, answer.problem);
}

Result<bool> SymbolServers::has_two_tiers(Request& request) {
    if (auto known = two_tiers_.find(request.server); known != two_tiers_.end()) return known->second;
    const auto index = get(request, request.server + "/index2.txt");
    if (!index) {
        // The user's wish and our own disk say nothing about the server.
        const ErrorKind kind = index.error().kind;
        if (kind == ErrorKind::stopped || kind == ErrorKind::io) return std::unexpected(index.error());
    }
    return two_tiers_.emplace(request.server, index.has_value()).first->second;
}

} // namespace poolkd::symbols
