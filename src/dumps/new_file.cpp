#include "dumps/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace poolkd::dumps {

namespace {

std::unexpected<Error> exists_already(const std::filesystem::path& path) {
    return fail(ErrorKind::refused, "{} exists already", path.string());
}

} // namespace

std::unexpected<Error> NewFile::system_error(std::string_view what) const {
    const int error = errno;
    if (error == ENOSPC || error == EDQUOT)
        return fail(ErrorKind::io, "{}: the disk has no room for it", path_.string());
    if (error == EFBIG) return fail(ErrorKind::io, "{}: larger than a file may be here", path_.string());
    return fail(ErrorKind::io, "{} cannot be {}: {}", path_.string(), what, std::generic_category().message(error));
}

Result<NewFile> NewFile::create(const std::filesystem::path& path, bool replace) {
    std::error_code error;
    NewFile file;
    // The file that a link names is replaced, not the link.
    file.path_ = std::filesystem::is_symlink(path, error) ? std::filesystem::weakly_canonical(path, error) : path;
    const std::filesystem::file_status status = std::filesystem::status(file.path_, error);
    if (std::filesystem::exists(status)) {
        if (!std::filesystem::is_regular_file(status))
            return fail(ErrorKind::refused, "{} is no file that could be replaced", path.string());
        if (!replace) return exists_already(path);
    }
    file.replace_ = replace;
    std::string name = file.path_.string() + ".tmp-XXXXXX";
    file.descriptor_ = mkostemp(name.data(), O_CLOEXEC); // for its owner alone: a machine's memory holds its secrets
    if (file.descriptor_ < 0) return file.system_error("made");
    file.temporary_ = std::move(name);
    return file;
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)), replace_(other.replace_), end_(other.end_) {}

NewFile::~NewFile() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!temporary_.empty()) unlink(temporary_.c_str());
}

Result<void> NewFile::reserve(std::uint64_t bytes) {
    if (bytes == 0 || fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) == 0) return {};
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR) return {};
    return system_error("written");
}

Result<void> NewFile::write(std::uint64_t offset, Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t written = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return system_error("written");
        offset += static_cast<std::uint64_t>(written);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    end_ = std::max(end_, offset);
    return {};
}

Result<void> NewFile::read(std::uint64_t offset, MutableBytes out) {
    while (!out.empty()) {
        const ssize_t got = pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error("read again");
        if (got == 0) return fail(ErrorKind::io, "{} became shorter while it was written", path_.string());
        offset += static_cast<std::uint64_t>(got);
        out = out.subspan(static_cast<std::size_t>(got));
    }
    return {};
}

Result<void> NewFile::commit() {
    if (ftruncate(descriptor_, static_cast<off_t>(end_)) != 0 || fdatasync(descriptor_) != 0)
        return system_error("written");
    if (replace_) {
        if (rename(temporary_.c_str(), path_.c_str()) != 0) return system_error("written");
        temporary_.clear();
        return {};
    }
    // Somebody may have made a file of that name meanwhile.
    if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
        if (errno == EEXIST) return exists_already(path_);
        if (errno != EINVAL && errno != ENOSYS) return system_error("written");
        std::error_code error;
        if (std::filesystem::exists(path_, error)) return exists_already(path_);
        if (rename(temporary_.c_str(), path_.c_str()) != 0) return system_error("written");
    }
    temporary_.clear();
    return {};
}

} // namespace poolkd::dumps
