#include "code/site_file.h"

#include "code/pool_routines.h"

#include <llvm/Support/xxhash.h>

#include <string>
#include <utility>

namespace poolkd::code {

namespace {

// Magic, version of the layout, version of the search, sum of all that follows: the key, then the index.
constexpr std::uint64_t magic = 0x5345'5449'534b'50ull; // "PKSITES"
constexpr std::uint32_t layout_version = 2;
constexpr std::size_t sum_offset = 16, head_bytes = 24;

std::uint64_t sum_of(Bytes bytes) {
    return llvm::xxh3_64bits({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

class SiteWriter {
  public:
    template <class T>
    void number(const T& value) {
        const Bytes raw = std::as_bytes(std::span(&value, 1));
        bytes.insert(bytes.end(), raw.begin(), raw.end());
    }
    template <class T>
    void choice(const T& value, T) {
        number(static_cast<std::uint8_t>(value));
    }
    void flag(const bool& value) { number(static_cast<std::uint8_t>(value)); }
    void text(const std::string& value) {
        number(static_cast<std::uint32_t>(value.size()));
        const Bytes raw = std::as_bytes(std::span(value));
        bytes.insert(bytes.end(), raw.begin(), raw.end());
    }
    template <class T>
    void many(const T& values, std::size_t) {
        number(static_cast<std::uint32_t>(values.size()));
    }

    ByteVector bytes;
};

class SiteReader {
  public:
    explicit SiteReader(Bytes bytes) : left_(bytes) {}

    template <class T>
    void number(T& value) {
        const auto got = load<T>(left_, 0);
        if (got) {
            value = *got;
            left_ = left_.subspan(sizeof(T));
        } else {
            bad_ = true;
        }
    }
    template <class T>
    void choice(T& value, T last) {
        std::uint8_t raw = 0;
        number(raw);
        bad_ = bad_ || raw > static_cast<std::uint8_t>(last);
        if (!bad_) value = static_cast<T>(raw);
    }
    void flag(bool& value) {
        std::uint8_t raw = 0;
        number(raw);
        bad_ = bad_ || raw > 1;
        value = raw == 1;
    }
    void text(std::string& value) {
        std::uint32_t size = 0;
        number(size);
        if (size > left_.size()) bad_ = true;
        if (bad_) return;
        value.assign(reinterpret_cast<const char*>(left_.data()), size);
        left_ = left_.subspan(size);
    }
    /// Makes room for as many values as follow, of at least `least` bytes each.
    template <class T>
    void many(T& values, std::size_t least) {
        std::uint32_t count = 0;
        number(count);
        if (count > left_.size() / least) bad_ = true;
        if (!bad_) values.resize(count);
    }
    [[nodiscard]] bool bad() const { return bad_; }
    [[nodiscard]] bool whole() const { return !bad_ && left_.empty(); }

  private:
    Bytes left_;
    bool bad_ = false;
};

template <class Stream, class T>
void pass_optional(Stream& stream, std::optional<T>& value, auto pass) {
    bool there = value.has_value();
    stream.flag(there);
    if (!there) return;
    if (!value) value.emplace();
    pass(*value);
}

// One list of the fields for both directions.
template <class Stream>
void pass_site(Stream& stream, PoolSite& site) {
    auto number = [&](auto& value) { stream.number(value); };
    stream.number(site.rva);
    stream.number(site.return_rva);
    stream.number(site.function_rva);
    stream.text(site.function);
    stream.choice(site.kind, SiteKind::lookaside);
    stream.text(site.api);
    stream.many(site.via_rvas, sizeof(std::uint32_t) + sizeof(std::uint32_t));
    site.via.resize(site.via_rvas.size());
    for (std::size_t i = 0; i < site.via.size(); ++i) {
        stream.number(site.via_rvas[i]);
        stream.text(site.via[i]);
    }
    pass_optional(stream, site.tag, [&](PoolTag& tag) { stream.number(tag.value); });
    stream.choice(site.tag_source, TagSource::unresolved);
    pass_optional(stream, site.tag_rva, number);
    pass_optional(stream, site.size, number);
    pass_optional(stream, site.pool_type, number);
    pass_optional(stream, site.paged, [&](bool& paged) { stream.flag(paged); });
    stream.text(site.note);
}

bool is_possible(const PoolSite& site) {
    const bool told = site.tag_source == TagSource::constant || site.tag_source == TagSource::data ||
                      site.tag_source == TagSource::fixed;
    if (told != site.tag.has_value()) return false;
    if (site.tag_source == TagSource::unresolved && site.note.empty()) return false;
    return find_pool_routine(site.api) || find_other_routine(site.api);
}

template <class Stream>
void pass_index(Stream& stream, SiteIndex& index, std::uint64_t& bytes_read) {
    constexpr std::size_t least_site = 40; // bytes
    stream.number(index.code_bytes);
    stream.number(bytes_read);
    for (std::vector<ImageWord>* words : {&index.tag_words, &index.site_words}) {
        stream.many(*words, 2 * sizeof(std::uint32_t));
        for (ImageWord& word : *words) {
            stream.number(word.rva);
            stream.number(word.value);
        }
    }
    stream.many(index.sites, least_site);
    for (PoolSite& site : index.sites)
        pass_site(stream, site);
}

} // namespace

ByteVector write_sites(std::string_view key, const SiteIndex& index) {
    SiteWriter out;
    out.number(magic);
    out.number(layout_version);
    out.number(site_search_version);
    out.number(std::uint64_t{0}); // the sum
    out.text(std::string(key));
    SiteIndex copy = index;
    std::uint64_t bytes_read = index.coverage.read();
    pass_index(out, copy, bytes_read);
    seal_sites(out.bytes);
    return std::move(out.bytes);
}

std::optional<SiteIndex> read_sites(Bytes file, std::string_view key) {
    if (file.size() < head_bytes || load<std::uint64_t>(file, 0) != magic ||
        load<std::uint32_t>(file, 8) != layout_version || load<std::uint32_t>(file, 12) != site_search_version ||
        load<std::uint64_t>(file, sum_offset) != sum_of(file.subspan(head_bytes)))
        return std::nullopt;
    SiteReader in(file.subspan(head_bytes));
    std::string of;
    in.text(of);
    if (in.bad() || of != key) return std::nullopt;
    SiteIndex index;
    std::uint64_t bytes_read = 0;
    pass_index(in, index, bytes_read);
    if (!in.whole() || !std::ranges::all_of(index.sites, is_possible)) return std::nullopt;
    index.coverage.add_read(bytes_read);
    return index;
}

void seal_sites(MutableBytes file) {
    if (file.size() >= head_bytes) store(file, sum_offset, sum_of(Bytes(file).subspan(head_bytes)));
}

} // namespace poolkd::code
