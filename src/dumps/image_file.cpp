#include "dumps/image_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace poolkd::dumps {

namespace {

/// A read lease is given only on a file that nobody has open for writing; it is handed back at once. Refused for
/// another reason (a file of another user, a file system without leases), nobody knows.
bool may_be_open_for_writing(int descriptor) {
    fcntl(descriptor, F_SETSIG, SIGURG); // should a writer come between the two calls: a signal that is ignored
    if (fcntl(descriptor, F_SETLEASE, F_RDLCK) != 0) return true;
    fcntl(descriptor, F_SETLEASE, F_UNLCK);
    return false;
}

} // namespace

Result<std::shared_ptr<const ImageFile>> ImageFile::open(const std::string& path) {
    // Without O_NONBLOCK a pipe of that name would wait for its writer.
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return fail(errno == ENOENT ? ErrorKind::not_found : ErrorKind::io, "{} cannot be opened: {}", path,
                    std::strerror(errno));
    std::shared_ptr<ImageFile> file(new ImageFile);
    file->path_ = path;
    file->descriptor_ = descriptor;
    struct stat status{};
    if (fstat(descriptor, &status) != 0) return fail(ErrorKind::io, "{}: {}", path, std::strerror(errno));
    if (!S_ISREG(status.st_mode)) return fail(ErrorKind::unsupported, "{} is not a file", path);
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size == 0) return file;
    void* start = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (start == MAP_FAILED) return fail(ErrorKind::io, "{} cannot be mapped: {}", path, std::strerror(errno));
    file->bytes_ = Bytes(static_cast<const std::byte*>(start), size);
    file->guard_.emplace(file->bytes_);
    file->may_have_writers_ = may_be_open_for_writing(descriptor);
    if (!file->guard_->guards()) return fail(ErrorKind::io, "{}: too many images are open", path);
    return file;
}

std::shared_ptr<const ImageFile> ImageFile::from_bytes(ByteVector bytes, std::string name) {
    std::shared_ptr<ImageFile> file(new ImageFile);
    file->path_ = std::move(name);
    file->own_ = std::move(bytes);
    file->bytes_ = file->own_;
    return file;
}

ImageFile::~ImageFile() {
    guard_.reset();
    if (descriptor_ < 0) return;
    if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
    close(descriptor_);
}

std::size_t ImageFile::read(FileOffset offset, MutableBytes out) const {
    if (offset.value >= size()) return 0;
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size() - offset.value));
    if (intact()) {
        std::memcpy(out.data(), bytes_.data() + offset.value, wanted);
        if (intact()) return wanted;
    }
    std::size_t done = 0;
    while (done < wanted) {
        const ssize_t got =
            pread(descriptor_, out.data() + done, wanted - done, static_cast<off_t>(offset.value + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        done += static_cast<std::size_t>(got);
    }
    return done;
}

Bytes ImageFile::view(FileOffset offset, std::uint64_t wanted) const {
    if (offset.value >= size() || !intact()) return {};
    return bytes_.subspan(offset.value, static_cast<std::size_t>(std::min(wanted, size() - offset.value)));
}

} // namespace poolkd::dumps
