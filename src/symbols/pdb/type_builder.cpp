#include "symbols/pdb/type_builder.h"

#include "symbols/pdb/llvm_error.h"
#include "symbols/pdb/simple_types.h"

#include <llvm/DebugInfo/CodeView/CVTypeVisitor.h>
#include <llvm/DebugInfo/CodeView/TypeDeserializer.h>
#include <llvm/DebugInfo/CodeView/TypeRecord.h>
#include <llvm/DebugInfo/CodeView/TypeVisitorCallbacks.h>

#include <functional>
#include <optional>

namespace poolkd::symbols {

namespace cv = llvm::codeview;

namespace {

llvm::ArrayRef<std::uint8_t> as_llvm(Bytes bytes) {
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

std::uint16_t kind_of(Bytes record) {
    return load_or<std::uint16_t>(record, 2);
}

template <class Record>
std::optional<Record> read_record(Bytes bytes) {
    cv::CVType record(as_llvm(bytes));
    Record out(static_cast<cv::TypeRecordKind>(kind_of(bytes)));
    if (auto error = cv::TypeDeserializer::deserializeAs(record, out)) {
        take_message(std::move(error));
        return std::nullopt;
    }
    return out;
}

std::uint64_t to_number(const llvm::APSInt& value) {
    return value.isSigned() ? static_cast<std::uint64_t>(value.sextOrTrunc(64).getSExtValue())
                            : value.zextOrTrunc(64).getZExtValue();
}

std::string pointer_name(std::uint64_t size, std::string_view target) {
    return fmt::format("Ptr{} {}", size * 8, target);
}

/// What a field list holds, as far as layouts need it.
struct Member {
    enum class Kind { data, base, static_data, table, enumerator, rest } kind;
    std::string name;
    std::uint32_t type = 0;
    std::uint64_t value = 0; ///< offset, or the enumerator's value
};

class Collector final : public cv::TypeVisitorCallbacks {
  public:
    explicit Collector(std::vector<Member>& members) : members_(members) {}

    llvm::Error visitKnownMember(cv::CVMemberRecord& /*record*/, cv::DataMemberRecord& member) override {
        return add({Member::Kind::data, member.getName().str(), member.getType().getIndex(), member.getFieldOffset()});
    }
    llvm::Error visitKnownMember(cv::CVMemberRecord& /*record*/, cv::BaseClassRecord& member) override {
        return add({Member::Kind::base, {}, member.getBaseType().getIndex(), member.getBaseOffset()});
    }
    llvm::Error visitKnownMember(cv::CVMemberRecord& /*record*/, cv::VFPtrRecord& member) override {
        return add({Member::Kind::table, "__VFN_table", member.getType().getIndex(), 0});
    }
    llvm::Error visitKnownMember(cv::CVMemberRecord& /*record*/, cv::EnumeratorRecord& member) override {
        return add({Member::Kind::enumerator, member.getName().str(), 0, to_number(member.getValue())});
    }
    llvm::Error visitKnownMember(cv::CVMemberRecord& /*record*/, cv::ListContinuationRecord& member) override {
        return add({Member::Kind::rest, {}, member.getContinuationIndex().getIndex(), 0});
    }

  private:
    llvm::Error add(Member member) {
        members_.push_back(std::move(member));
        return llvm::Error::success();
    }
    std::vector<Member>& members_;
};

/// All members of a field list, its continuations included, in order. What could be read before damage stays.
std::optional<std::string> collect(TypeTable& table, std::uint32_t list, std::vector<Member>& members) {
    for (std::size_t pieces = 0; list != 0; ++pieces) {
        Bytes bytes = table.record(list);
        if (bytes.size() < 4 || kind_of(bytes) != cv::LF_FIELDLIST) return "its field list is missing";
        if (pieces == TypeBuilder::max_field_lists) return "its field list does not end";
        // A copy: collecting may not disturb the bytes that LLVM walks.
        const ByteVector copy(bytes.begin() + 4, bytes.end());
        Collector collector(members);
        if (auto error = cv::visitMemberRecordStream(as_llvm(copy), collector)) return take_message(std::move(error));
        list = 0;
        if (!members.empty() && members.back().kind == Member::Kind::rest) {
            list = members.back().type;
            members.pop_back();
        }
        if (members.size() > TypeBuilder::max_fields) return "it has too many members";
    }
    return std::nullopt;
}

struct Tag {
    std::uint32_t fields = 0;
    std::uint64_t size = 0;
    std::uint32_t underlying = 0;
    std::string name;
    bool is_forward = false;
    bool is_union = false;
};

std::optional<Tag> read_tag(Bytes record) {
    auto common = [](const cv::TagRecord& tag) {
        return Tag{tag.getFieldList().getIndex(), 0, 0, tag.getName().str(), tag.isForwardRef(), false};
    };
    switch (kind_of(record)) {
    case cv::LF_CLASS:
    case cv::LF_STRUCTURE:
    case cv::LF_INTERFACE:
        if (auto r = read_record<cv::ClassRecord>(record)) {
            Tag tag = common(*r);
            tag.size = r->getSize();
            return tag;
        }
        break;
    case cv::LF_UNION:
        if (auto r = read_record<cv::UnionRecord>(record)) {
            Tag tag = common(*r);
            tag.size = r->getSize();
            tag.is_union = true;
            return tag;
        }
        break;
    case cv::LF_ENUM:
        if (auto r = read_record<cv::EnumRecord>(record)) {
            Tag tag = common(*r);
            tag.underlying = r->getUnderlyingType().getIndex();
            return tag;
        }
        break;
    default: break;
    }
    return std::nullopt;
}

} // namespace

std::uint32_t TypeBuilder::strip(std::uint32_t index) {
    for (unsigned i = 0; i < max_depth; ++i) {
        Bytes bytes = table_.record(index);
        if (bytes.size() < 4 || kind_of(bytes) != cv::LF_MODIFIER) break;
        auto modifier = read_record<cv::ModifierRecord>(bytes);
        if (!modifier) break;
        index = modifier->getModifiedType().getIndex();
    }
    return index < TypeTable::first_record ? index : table_.definition(index);
}

TypePtr TypeBuilder::type(std::uint32_t index, unsigned depth) {
    if (auto known = known_.find(index); known != known_.end()) return known->second;
    if (depth > max_depth) {
        Type type;
        type.name = "<type nested too deeply>";
        return std::make_shared<const Type>(std::move(type));
    }
    auto made =
        std::make_shared<const Type>(index < TypeTable::first_record ? simple_type(index) : build(index, depth));
    known_.emplace(index, made);
    return made;
}

Type TypeBuilder::build(std::uint32_t index, unsigned depth) {
    const std::uint32_t full = strip(index);
    if (full < TypeTable::first_record) return simple_type(full);
    const Bytes bytes = table_.record(full);
    Type type;
    type.id = full;
    type.name = fmt::format("<unknown type {:#x}>", index);
    if (bytes.size() < 4) return type;
    switch (kind_of(bytes)) {
    case cv::LF_CLASS:
    case cv::LF_STRUCTURE:
    case cv::LF_INTERFACE:
    case cv::LF_UNION:
    case cv::LF_ENUM: return build_tagged(full, bytes);
    case cv::LF_POINTER:
        if (auto r = read_record<cv::PointerRecord>(bytes)) {
            type.kind = TypeKind::pointer;
            type.size = r->getSize();
            type.element = this->type(r->getReferentType().getIndex(), depth + 1);
            type.name = pointer_name(type.size, type.element->name);
        }
        break;
    case cv::LF_ARRAY:
        if (auto r = read_record<cv::ArrayRecord>(bytes)) {
            type.kind = TypeKind::array;
            type.size = r->getSize();
            type.element = this->type(r->getElementType().getIndex(), depth + 1);
            type.count = type.element->size ? type.size / type.element->size : 0;
            type.name = fmt::format("[{}] {}", type.count, type.element->name);
        }
        break;
    case cv::LF_BITFIELD:
        if (auto r = read_record<cv::BitFieldRecord>(bytes)) return *this->type(r->getType().getIndex(), depth + 1);
        break;
    case cv::LF_PROCEDURE:
        if (auto r = read_record<cv::ProcedureRecord>(bytes)) {
            type.kind = TypeKind::function;
            type.element = this->type(r->getReturnType().getIndex(), depth + 1);
            type.name = fmt::format("    {} ", c_name(*type.element)); // blanks as kd prints them
        }
        break;
    case cv::LF_MFUNCTION:
        if (auto r = read_record<cv::MemberFunctionRecord>(bytes)) {
            type.kind = TypeKind::function;
            type.element = this->type(r->getReturnType().getIndex(), depth + 1);
            type.name = fmt::format("    {} ", c_name(*type.element));
        }
        break;
    case cv::LF_VTSHAPE: type.name.clear(); break; // a pointer to one prints as "Ptr64 "
    default: break;
    }
    return type;
}

Type TypeBuilder::build_tagged(std::uint32_t index, Bytes record) {
    Type type;
    type.id = index;
    auto tag = read_tag(record);
    if (!tag) {
        type.name = fmt::format("<damaged type {:#x}>", index);
        return type;
    }
    type.name = tag->name;
    type.size = tag->is_forward ? 0 : tag->size;
    type.kind = tag->is_union ? TypeKind::union_ : TypeKind::structure;
    if (kind_of(table_.record(index)) != cv::LF_ENUM) return type;
    type.kind = TypeKind::enumeration;
    // Numbers of an enumeration's underlying type are simple types in every file.
    type.element = std::make_shared<const Type>(simple_type(tag->underlying));
    type.size = type.element->size;
    type.is_signed = type.element->is_signed;
    if (!tag->is_forward) read_enumerators(tag->fields, type);
    return type;
}

void TypeBuilder::read_enumerators(std::uint32_t field_list, Type& enumeration) {
    std::vector<Member> members;
    collect(table_, field_list, members);
    for (Member& member : members)
        if (member.kind == Member::Kind::enumerator) {
            // Compilers write negative values as unsigned numbers of the underlying type's size.
            if (enumeration.is_signed && enumeration.size == 4)
                member.value = static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(member.value)});
            enumeration.enumerators.push_back({std::move(member.name), member.value});
        }
}

Result<void> TypeBuilder::add_fields(std::uint32_t index, std::uint32_t base_offset, unsigned depth,
                                     StructLayout& layout) {
    auto tag = read_tag(table_.record(index));
    if (!tag || tag->is_forward) return {};
    std::vector<Member> members;
    if (auto problem = collect(table_, tag->fields, members))
        return fail(ErrorKind::malformed, "The type information of {} is damaged: {}", tag->name, *problem);
    for (Member& member : members) {
        if (member.kind == Member::Kind::enumerator) continue;
        if (layout.fields.size() >= max_fields)
            return fail(ErrorKind::malformed, "The type information of {} has too many members", layout.name);
        const std::uint32_t offset = base_offset + static_cast<std::uint32_t>(member.value);
        const std::uint32_t full = strip(member.type);
        const Bytes bytes = full < TypeTable::first_record ? Bytes{} : table_.record(full);
        const bool is_structure = TypeTable::parse_tagged(bytes) && kind_of(bytes) != cv::LF_ENUM;
        const bool flatten = member.kind == Member::Kind::base || (member.name.empty() && is_structure);
        if (flatten) {
            if (depth >= max_depth)
                return fail(ErrorKind::malformed, "The type information of {} nests without end", layout.name);
            POOLKD_CHECK(add_fields(full, offset, depth + 1, layout));
            continue;
        }
        Field field{std::move(member.name), offset, 0, 0, nullptr};
        if (bytes.size() >= 4 && kind_of(bytes) == cv::LF_BITFIELD)
            if (auto bits = read_record<cv::BitFieldRecord>(bytes)) {
                field.bit_position = bits->getBitOffset();
                field.bit_count = bits->getBitSize();
            }
        field.type = type(full);
        layout.fields.push_back(std::move(field));
    }
    return {};
}

Result<StructLayout> TypeBuilder::layout(std::uint32_t index) {
    const std::uint32_t full = strip(index);
    const Bytes bytes = full < TypeTable::first_record ? Bytes{} : table_.record(full);
    auto tag = bytes.size() < 4 || kind_of(bytes) == cv::LF_ENUM ? std::nullopt : read_tag(bytes);
    if (!tag) return fail(ErrorKind::usage, "{} is no structure or union", type(full)->name);
    if (tag->is_forward)
        return fail(ErrorKind::not_found, "{} is only declared in these symbols, without its members", tag->name);
    StructLayout layout{tag->name, tag->size, tag->is_union, {}};
    POOLKD_CHECK(add_fields(full, 0, 0, layout));
    return layout;
}

} // namespace poolkd::symbols
