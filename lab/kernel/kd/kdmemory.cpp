// Requests on memory: read, write, search, fill, query.
#include "kdp.h"

static uint8_t KdpTransferBuffer[KdMaximumTransfer];

constexpr uint32_t KdPhysicalDefaultCaching = 0;
constexpr uint16_t KdFillVirtual = 1;
constexpr uint16_t KdFillPhysical = 2;

// Address (8), transfer count (4), and the number of bytes done (4), which in a request on physical memory selects the
// caching.
struct KD_TRANSFER {
    uint64_t Address;
    uint32_t Count;
    bool Valid;
};

static KD_TRANSFER KdpTransfer(const KD_MESSAGE* Message, bool Physical) {
    const uint8_t* fields = Message->Header + KdUnion;
    return {KdGet64(fields), KdGet32(fields + 8), !Physical || KdGet32(fields + 12) == KdPhysicalDefaultCaching};
}

static void KdpFinishTransfer(KD_MESSAGE* Message, uint32_t Done, uint32_t Wanted, bool Valid, const void* Data,
                              uint32_t DataSize) {
    KdPut32(Message->Header + KdUnion + 12, Done);
    KdpReply(Message, Valid && Done == Wanted ? KdStatusSuccess : KdStatusUnsuccessful, Data, DataSize);
}

void KdpServeRead(KD_MESSAGE* Message, bool Physical) {
    KD_TRANSFER transfer = KdpTransfer(Message, Physical);
    uint32_t wanted = transfer.Count < KdMaximumTransfer ? transfer.Count : KdMaximumTransfer;
    uint32_t done = 0;
    if (transfer.Valid) {
        done = (Physical ? KdpReadPhysical : KdpReadVirtual)(transfer.Address, KdpTransferBuffer, wanted);
    }
    KdpFinishTransfer(Message, done, wanted, transfer.Valid, KdpTransferBuffer, done);
}

void KdpServeWrite(KD_MESSAGE* Message, bool Physical) {
    KD_TRANSFER transfer = KdpTransfer(Message, Physical);
    uint32_t wanted = transfer.Count < Message->DataSize ? transfer.Count : Message->DataSize;
    uint32_t done = 0;
    if (transfer.Valid) {
        done = (Physical ? KdpWritePhysical : KdpWriteVirtual)(transfer.Address, Message->Data, wanted);
    }
    KdpFinishTransfer(Message, done, transfer.Count, transfer.Valid, nullptr, 0);
}

static uint32_t KdpFind(const uint8_t* Bytes, uint32_t Size, const uint8_t* Pattern, uint32_t PatternSize) {
    for (uint32_t at = 0; at + PatternSize <= Size; at++) {
        if (Bytes[at] == Pattern[0] && __builtin_memcmp(Bytes + at, Pattern, PatternSize) == 0) {
            return at;
        }
    }
    return Size;
}

// Address (8), length (8), pattern length (4). A page that is not there ends the search as a failure; so the work is
// bounded by what is mapped.
void KdpServeSearch(KD_MESSAGE* Message) {
    uint8_t* fields = Message->Header + KdUnion;
    uint64_t address = KdGet64(fields);
    uint64_t left = KdGet64(fields + 8);
    uint32_t patternSize = KdGet32(fields + 16);
    if (patternSize == 0 || patternSize > Message->DataSize || patternSize > KdMaximumTransfer / 2) {
        KdpReply(Message, KdStatusInvalidParameter, nullptr, 0);
        return;
    }
    uint32_t status = KdStatusNoMoreEntries;
    while (left >= patternSize && status == KdStatusNoMoreEntries) {
        uint32_t piece = left < KdMaximumTransfer ? static_cast<uint32_t>(left) : KdMaximumTransfer;
        uint32_t got = KdpReadVirtual(address, KdpTransferBuffer, piece);
        uint32_t at = KdpFind(KdpTransferBuffer, got, Message->Data, patternSize);
        if (at < got) {
            KdPut64(fields, address + at);
            status = KdStatusSuccess;
        } else if (got < piece) {
            status = KdStatusUnsuccessful;
        } else {
            uint32_t step = piece - patternSize + 1; // the pattern may lie across two pieces
            address += step;
            left -= step;
        }
    }
    KdpReply(Message, status, nullptr, 0);
}

// Address (8), length (4), flags (2), pattern length (2).
void KdpServeFill(KD_MESSAGE* Message) {
    uint8_t* fields = Message->Header + KdUnion;
    uint64_t address = KdGet64(fields);
    uint32_t length = KdGet32(fields + 8);
    uint16_t flags = KdGet16(fields + 12);
    uint32_t patternSize = KdGet16(fields + 14);
    if (patternSize == 0 || patternSize > Message->DataSize || (flags != KdFillVirtual && flags != KdFillPhysical)) {
        KdpReply(Message, KdStatusInvalidParameter, nullptr, 0);
        return;
    }
    uint32_t filled = 0;
    bool good = true;
    while (good && filled < length) {
        uint32_t piece = length - filled < patternSize ? length - filled : patternSize;
        uint32_t done =
            (flags == KdFillPhysical ? KdpWritePhysical : KdpWriteVirtual)(address + filled, Message->Data, piece);
        filled += done;
        good = done == piece;
    }
    KdPut32(fields + 8, filled);
    KdpReply(Message, good ? KdStatusSuccess : KdStatusUnsuccessful, nullptr, 0);
}

// Address (8), reserved (8), address space (4), flags (4).
void KdpServeQuery(KD_MESSAGE* Message) {
    uint8_t* fields = Message->Header + KdUnion;
    uint64_t address = KdGet64(fields);
    if (KdGet32(fields + 16) != 0) {
        KdpReply(Message, KdStatusInvalidParameter, nullptr, 0);
        return;
    }
    uint32_t flags = KdpQueryProtection(address);
    KdPut32(fields + 16, KdpQueryAddressSpace(address));
    KdPut32(fields + 20, flags);
    KdpReply(Message, flags != 0 ? KdStatusSuccess : KdStatusUnsuccessful, nullptr, 0);
}
