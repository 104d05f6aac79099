#include "symbols/store_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>

namespace poolkd::symbols {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr const char* staging = ".partial"; // no file that is looked for has such a name
constexpr auto remainder_age = 10min;       // younger ones may be about to be locked
constexpr unsigned max_tries = 1000;
constexpr std::size_t copy_bytes = 1 << 16;

std::unexpected<Error> io_error(const std::string& path, const char* what) {
    return fail(ErrorKind::io, "{} cannot be {}: {}", path, what, std::strerror(errno));
}

void remove_remainders(const fs::path& folder) {
    std::error_code code;
    const auto now = fs::file_time_type::clock::now();
    for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
        std::error_code ignored;
        const auto time = entry->last_write_time(ignored);
        if (ignored || now - time < remainder_age) continue;
        const int descriptor = ::open(entry->path().c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (descriptor < 0) continue;
        if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) fs::remove(entry->path(), ignored);
        ::close(descriptor);
    }
}

} // namespace

StagedFile::~StagedFile() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> StagedFile::write(Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return io_error(path_, "written");
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

Result<StagedFile> StoreFolder::stage() const {
    const fs::path folder = fs::path(root_) / staging;
    std::error_code code;
    fs::create_directories(folder, code);
    if (code) return fail(ErrorKind::io, "{} cannot be created: {}", folder.string(), code.message());
    remove_remainders(folder);
    // Names of this process; in a shared folder another machine may have the same process number.
    static std::atomic<unsigned> counter = 0;
    for (unsigned tries = 0; tries < max_tries; ++tries) {
        std::string path = (folder / fmt::format("{}-{}", ::getpid(), ++counter)).string();
        const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno == EEXIST) continue;
        if (descriptor < 0) return io_error(path, "created");
        ::flock(descriptor, LOCK_EX | LOCK_NB);
        return StagedFile(std::move(path), descriptor);
    }
    return io_error(folder.string(), "used");
}

Result<std::string> StoreFolder::publish(StagedFile file, const StoreKey& key) const {
    std::error_code code;
    const fs::path root(root_);
    const fs::path folder = root / (fs::exists(root / "index2.txt", code) ? key.two_tier_folder() : key.folder());
    fs::create_directories(folder, code);
    if (code) return fail(ErrorKind::io, "{} cannot be created: {}", folder.string(), code.message());
    const fs::path final_path = folder / key.name;
    if (::rename(file.path_.c_str(), final_path.c_str()) != 0) return io_error(final_path.string(), "written");
    file.path_.clear();
    return final_path.string();
}

Result<std::string> StoreFolder::copy_in(const std::string& path, const StoreKey& key) const {
    POOLKD_TRY(StagedFile copy, stage());
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(ErrorKind::io, "{} cannot be read", path);
    std::array<char, copy_bytes> piece;
    do {
        in.read(piece.data(), piece.size());
        POOLKD_CHECK(copy.write(std::as_bytes(std::span(piece.data(), static_cast<std::size_t>(in.gcount())))));
    } while (in);
    if (in.bad()) return fail(ErrorKind::io, "{} cannot be read", path);
    return publish(std::move(copy), key);
}

} // namespace poolkd::symbols
