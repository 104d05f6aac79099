// The pipe on a virtio console: the legacy PCI form of the device, port 0, polled, no features.
#include "../kdpipe.h"
#include "ki.h"

constexpr uint16_t KdpPciAddress = 0xCF8;
constexpr uint16_t KdpPciData = 0xCFC;
constexpr uint32_t KdpPciConsole = 0x10031AF4; // device and vendor
constexpr uint32_t KdpPciCommand = 0x04;
constexpr uint32_t KdpPciBar0 = 0x10;
constexpr uint32_t KdpPciPortsAndBusMaster = 0x05;

// Registers behind BAR 0.
constexpr uint16_t KdpVirtioGuestFeatures = 4;
constexpr uint16_t KdpVirtioQueueAddress = 8;
constexpr uint16_t KdpVirtioQueueSize = 12;
constexpr uint16_t KdpVirtioQueueSelect = 14;
constexpr uint16_t KdpVirtioQueueNotify = 16;
constexpr uint16_t KdpVirtioStatus = 18;
constexpr uint8_t KdpVirtioFound = 1;
constexpr uint8_t KdpVirtioDriver = 2;
constexpr uint8_t KdpVirtioRunning = 4;

constexpr uint16_t KdpVirtioReceive = 0;
constexpr uint16_t KdpVirtioTransmit = 1;
constexpr uint16_t KdpVirtioNoInterrupt = 1;
constexpr uint16_t KdpVirtioDeviceWrites = 2;

// A packet fits a page. Receive buffers hold what one write of the other end brought, so small packets use one each.
constexpr uint16_t KdpReceiveBuffers = 16;
constexpr uint16_t KdpTransmitBuffers = 4;
constexpr uint32_t KdpVirtioPatience = 200000000;

struct KDP_DESCRIPTOR {
    uint64_t Address;
    uint32_t Size;
    uint16_t Flags;
    uint16_t Next;
};

struct KDP_AVAILABLE {
    volatile uint16_t Flags;
    volatile uint16_t Index;
    volatile uint16_t Ring[];
};

struct KDP_USED_ENTRY {
    volatile uint32_t Id;
    volatile uint32_t Size;
};

struct KDP_USED {
    volatile uint16_t Flags;
    volatile uint16_t Index;
    KDP_USED_ENTRY Ring[];
};

static_assert(KdMaximumFrame <= PAGE_SIZE);

struct KDP_QUEUE {
    uint16_t Number;
    uint16_t Size; // entries; a power of two
    uint16_t UsedSeen;
    uint16_t AvailableIndex;
    KDP_DESCRIPTOR* Descriptors;
    KDP_AVAILABLE* Available;
    KDP_USED* Used;
    uint8_t* Buffers; // a page for each
};

static uint16_t KdpVirtioPorts;
static KDP_QUEUE KdpReceiveQueue;
static KDP_QUEUE KdpTransmitQueue;

// The receive buffer that is being read.
static uint8_t* KdpCurrentBytes;
static uint32_t KdpCurrentLeft;
static uint16_t KdpCurrentBuffer;

static void KdpOfferBuffer(KDP_QUEUE* Queue, uint16_t Buffer) {
    Queue->Available->Ring[Queue->AvailableIndex & (Queue->Size - 1)] = Buffer;
    Queue->AvailableIndex++;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    Queue->Available->Index = Queue->AvailableIndex;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void KdpNotify(const KDP_QUEUE* Queue) {
    KdpOut16(static_cast<uint16_t>(KdpVirtioPorts + KdpVirtioQueueNotify), Queue->Number);
}

static void KdpReturnBuffer() {
    KdpOfferBuffer(&KdpReceiveQueue, KdpCurrentBuffer);
    // The device needs to be told only when it had run out of buffers; a notification is dear.
    uint16_t waiting = static_cast<uint16_t>(KdpReceiveQueue.Used->Index - KdpReceiveQueue.UsedSeen);
    if (waiting + 1 >= KdpReceiveBuffers) {
        KdpNotify(&KdpReceiveQueue);
    }
}

static uint32_t KdpVirtioGet(uint8_t* Bytes, uint32_t Size) {
    uint32_t got = 0;
    for (;;) {
        if (KdpCurrentLeft == 0) {
            if (KdpReceiveQueue.Used->Index == KdpReceiveQueue.UsedSeen) {
                return got;
            }
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            const KDP_USED_ENTRY* entry =
                &KdpReceiveQueue.Used->Ring[KdpReceiveQueue.UsedSeen & (KdpReceiveQueue.Size - 1)];
            KdpReceiveQueue.UsedSeen++;
            KdpCurrentBuffer = static_cast<uint16_t>(entry->Id % KdpReceiveBuffers);
            KdpCurrentBytes = KdpReceiveQueue.Buffers + KdpCurrentBuffer * PAGE_SIZE;
            KdpCurrentLeft = entry->Size <= PAGE_SIZE ? entry->Size : 0;
            if (KdpCurrentLeft == 0) {
                KdpReturnBuffer();
                continue;
            }
        }
        if (got == Size) {
            return got;
        }
        uint32_t piece = Size - got < KdpCurrentLeft ? Size - got : KdpCurrentLeft;
        __builtin_memcpy(Bytes + got, KdpCurrentBytes, piece);
        got += piece;
        KdpCurrentBytes += piece;
        KdpCurrentLeft -= piece;
        if (KdpCurrentLeft == 0) {
            KdpReturnBuffer();
        }
    }
}

static void KdpVirtioPut(const uint8_t* Bytes, uint32_t Size) {
    while (Size != 0) {
        // The device takes buffers in order, so when it is this far the next one is free again.
        uint32_t polls = 0;
        while (static_cast<uint16_t>(KdpTransmitQueue.AvailableIndex - KdpTransmitQueue.Used->Index) >=
               KdpTransmitBuffers) {
            if (++polls > KdpVirtioPatience) {
                return; // the other end does not read
            }
        }
        uint16_t buffer = KdpTransmitQueue.AvailableIndex % KdpTransmitBuffers;
        uint32_t piece = Size < PAGE_SIZE ? Size : PAGE_SIZE;
        __builtin_memcpy(KdpTransmitQueue.Buffers + buffer * PAGE_SIZE, Bytes, piece);
        KdpTransmitQueue.Descriptors[buffer].Size = piece;
        KdpOfferBuffer(&KdpTransmitQueue, buffer);
        KdpNotify(&KdpTransmitQueue);
        Bytes += piece;
        Size -= piece;
    }
}

static uint32_t KdpPciRead(uint32_t Slot, uint32_t Register) {
    KdpOut32(KdpPciAddress, 0x80000000 | Slot << 11 | Register);
    return KdpIn32(KdpPciData);
}

static void KdpPciWrite(uint32_t Slot, uint32_t Register, uint32_t Value) {
    KdpOut32(KdpPciAddress, 0x80000000 | Slot << 11 | Register);
    KdpOut32(KdpPciData, Value);
}

// Finds the console on the first bus and lets it use memory; returns its ports, 0 when there is none.
static uint16_t KdpFindConsole() {
    for (uint32_t slot = 0; slot < 32; slot++) {
        if (KdpPciRead(slot, 0) != KdpPciConsole) {
            continue;
        }
        uint32_t bar = KdpPciRead(slot, KdpPciBar0);
        if ((bar & 1) == 0 || (bar & ~3u) == 0) {
            return 0;
        }
        KdpPciWrite(slot, KdpPciCommand, (KdpPciRead(slot, KdpPciCommand) & 0xFFFF) | KdpPciPortsAndBusMaster);
        return static_cast<uint16_t>(bar & ~3u);
    }
    return 0;
}

// Gives the device the memory of one queue, with Buffers pages as its buffers.
static bool KdpSetUpQueue(KDP_QUEUE* Queue, uint16_t Number, uint16_t Buffers, uint16_t BufferFlags) {
    KdpOut16(static_cast<uint16_t>(KdpVirtioPorts + KdpVirtioQueueSelect), Number);
    uint16_t size = KdpIn16(static_cast<uint16_t>(KdpVirtioPorts + KdpVirtioQueueSize));
    if (size < Buffers) {
        return false;
    }
    uint32_t availableAt = size * static_cast<uint32_t>(sizeof(KDP_DESCRIPTOR));
    uint32_t usedAt = (availableAt + 6 + 2u * size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1u);
    uint32_t bytes = usedAt + 6 + size * static_cast<uint32_t>(sizeof(KDP_USED_ENTRY));
    auto* ring = static_cast<uint8_t*>(MmAllocateContiguousMemory(bytes));
    auto* pages = static_cast<uint8_t*>(MmAllocateContiguousMemory(static_cast<SIZE_T>(Buffers) * PAGE_SIZE));
    if (ring == nullptr || pages == nullptr) {
        return false;
    }
    *Queue = {Number,
              size,
              0,
              0,
              reinterpret_cast<KDP_DESCRIPTOR*>(ring),
              reinterpret_cast<KDP_AVAILABLE*>(ring + availableAt),
              reinterpret_cast<KDP_USED*>(ring + usedAt),
              pages};
    for (uint32_t i = 0; i < Buffers; i++) {
        Queue->Descriptors[i] = {MmGetPhysicalAddress(pages + i * PAGE_SIZE), PAGE_SIZE, BufferFlags, 0};
    }
    Queue->Available->Flags = KdpVirtioNoInterrupt;
    KdpOut32(static_cast<uint16_t>(KdpVirtioPorts + KdpVirtioQueueAddress),
             static_cast<uint32_t>(MmGetPhysicalAddress(ring) >> PAGE_SHIFT));
    return true;
}

static KD_PIPE KdpVirtioPipe = {KdpVirtioGet, KdpVirtioPut, 100000, KdpIdle};

const KD_PIPE* KdpOpenVirtioConsole() {
    KdpVirtioPorts = KdpFindConsole();
    if (KdpVirtioPorts == 0) {
        return nullptr;
    }
    auto status = static_cast<uint16_t>(KdpVirtioPorts + KdpVirtioStatus);
    KdpOut8(status, 0);
    KdpOut8(status, KdpVirtioFound | KdpVirtioDriver);
    KdpOut32(static_cast<uint16_t>(KdpVirtioPorts + KdpVirtioGuestFeatures), 0);
    if (!KdpSetUpQueue(&KdpReceiveQueue, KdpVirtioReceive, KdpReceiveBuffers, KdpVirtioDeviceWrites) ||
        !KdpSetUpQueue(&KdpTransmitQueue, KdpVirtioTransmit, KdpTransmitBuffers, 0)) {
        return nullptr;
    }
    KdpOut8(status, KdpVirtioFound | KdpVirtioDriver | KdpVirtioRunning);
    for (uint16_t i = 0; i < KdpReceiveBuffers; i++) {
        KdpOfferBuffer(&KdpReceiveQueue, i);
    }
    KdpNotify(&KdpReceiveQueue);
    KdpCalibratePipe(&KdpVirtioPipe);
    return &KdpVirtioPipe;
}
