// Reading and writing a stopped processor's CONTEXT, whole or in ranges.
#include "kdp.h"

// Ranges written are gathered here and take effect together: the request whose range ends at the announced total
// commits them.
constexpr uint32_t KdStagingSize = 0x500;
static uint8_t KdpStagedContext[KdStagingSize];
static uint16_t KdpStagedProcessor;

void KdpStartContext(const KD_STOP* Stop) {
    __builtin_memcpy(KdpStagedContext, Stop->Context, KdpContextSize);
    KdpStagedProcessor = Stop->Processor;
}

void KdpServeGetContext(const KD_STOP* Stop, KD_MESSAGE* Message) {
    if (Stop == nullptr) {
        KdpReply(Message, KdStatusUnsuccessful, nullptr, 0);
        return;
    }
    KdpContextSent = true;
    KdpReply(Message, KdStatusSuccess, Stop->Context, KdpContextSize);
}

void KdpServeSetContext(const KD_STOP* Stop, KD_MESSAGE* Message) {
    if (Stop == nullptr || Message->DataSize < KdpContextSize || !KdpContextSent) {
        KdpReply(Message, KdStatusUnsuccessful, nullptr, 0);
        return;
    }
    __builtin_memcpy(Stop->Context, Message->Data, KdpContextSize);
    KdpStartContext(Stop);
    KdpReply(Message, KdStatusSuccess, nullptr, 0);
}

// Fields: offset (4), byte count (4), bytes copied (4).
static bool KdpContextRange(const KD_STOP* Stop, const KD_MESSAGE* Message, uint32_t* Offset, uint32_t* Count) {
    *Offset = KdGet32(Message->Header + KdUnion);
    *Count = KdGet32(Message->Header + KdUnion + 4);
    return Stop != nullptr && *Offset <= KdpContextSize && *Count <= KdpContextSize - *Offset;
}

void KdpServeGetContextEx(const KD_STOP* Stop, KD_MESSAGE* Message) {
    uint32_t offset;
    uint32_t count;
    if (!KdpContextRange(Stop, Message, &offset, &count)) {
        KdPut32(Message->Header + KdUnion + 8, 0);
        KdpReply(Message, KdStatusUnsuccessful, nullptr, 0);
        return;
    }
    KdpContextSent = true;
    KdPut32(Message->Header + KdUnion + 8, count);
    KdpReply(Message, KdStatusSuccess, Stop->Context + offset, count);
}

void KdpServeSetContextEx(const KD_STOP* Stop, KD_MESSAGE* Message) {
    uint32_t offset;
    uint32_t count;
    uint8_t* copied = Message->Header + KdUnion + 8;
    uint32_t total = KdGet32(copied);
    bool valid = KdpContextRange(Stop, Message, &offset, &count) && count == Message->DataSize && KdpContextSent &&
                 total <= KdpContextSize && offset + count <= total;
    if (!valid) {
        KdPut32(copied, 0);
        KdpReply(Message, KdStatusUnsuccessful, nullptr, 0);
        return;
    }
    if (KdpStagedProcessor != Stop->Processor) {
        KdpStartContext(Stop);
    }
    __builtin_memcpy(KdpStagedContext + offset, Message->Data, count);
    if (offset + count == total) {
        __builtin_memcpy(Stop->Context, KdpStagedContext, KdpContextSize);
    }
    KdPut32(copied, count);
    KdpReply(Message, KdStatusSuccess, nullptr, 0);
}
