// Numbers and layouts of the kernel debugger protocol as they travel: packets, state changes, requests.
// All fields are little-endian; messages are read and written by byte offset, never by overlaying structures.
#pragma once

#include <stdint.h>

// Framing: leader (4), type (2), byte count (2), id (4), checksum (4), payload, and 0xAA after the payload of a data
// packet.
constexpr uint8_t KdDataLeader = 0x30;
constexpr uint8_t KdControlLeader = 0x69;
constexpr uint8_t KdBreakInByte = 0x62;
constexpr uint8_t KdTrailer = 0xAA;
constexpr uint32_t KdLeaderSize = 4;
constexpr uint32_t KdPacketHeaderSize = 16;
constexpr uint32_t KdMaximumPayload = 4000;
constexpr uint32_t KdMaximumFrame = KdPacketHeaderSize + KdMaximumPayload + 1;

constexpr uint32_t KdInitialPacketId = 0x80800000;
constexpr uint32_t KdSyncPacketId = 0x00000800;

enum KD_PACKET_TYPE : uint16_t {
    KdTypeStateManipulate = 2,
    KdTypeDebugIo = 3,
    KdTypeAcknowledge = 4,
    KdTypeResend = 5,
    KdTypeReset = 6,
    KdTypeStateChange64 = 7,
    KdTypePollBreakIn = 8,
    KdTypeTraceIo = 9,
    KdTypeControlRequest = 10,
    KdTypeFileIo = 11,
    KdTypeMaximum = 12,
};

// DBGKD_ANY_WAIT_STATE_CHANGE
constexpr uint32_t KdStateChangeSize = 240;
constexpr uint32_t KdStateUnion = 32;
constexpr uint32_t KdStateControlReport = 192;
constexpr uint32_t KdStateException = 0x3030;
constexpr uint32_t KdStateLoadSymbols = 0x3031;
constexpr uint32_t KdStateCommandString = 0x3032;

// DBGKD_DEBUG_IO
constexpr uint32_t KdDebugIoSize = 16;
constexpr uint32_t KdPrintString = 0x3230;
constexpr uint32_t KdGetString = 0x3231;
constexpr uint32_t KdMaximumPrint = 512;

constexpr uint32_t KdFileIoSize = 64;
constexpr uint32_t KdCreateFile = 0x3430;

// DBGKD_MANIPULATE_STATE64
constexpr uint32_t KdManipulateSize = 56;
constexpr uint32_t KdMaximumTransfer = KdMaximumPayload - KdManipulateSize;
constexpr uint32_t KdProcessorField = 6;
constexpr uint32_t KdStatusField = 8;
constexpr uint32_t KdUnion = 16;

enum KD_API : uint32_t {
    KdApiReadVirtualMemory = 0x3130,
    KdApiWriteVirtualMemory = 0x3131,
    KdApiGetContext = 0x3132,
    KdApiSetContext = 0x3133,
    KdApiWriteBreakPoint = 0x3134,
    KdApiRestoreBreakPoint = 0x3135,
    KdApiContinue = 0x3136,
    KdApiReadControlSpace = 0x3137,
    KdApiWriteControlSpace = 0x3138,
    KdApiReadIoSpace = 0x3139,
    KdApiWriteIoSpace = 0x313A,
    KdApiReboot = 0x313B,
    KdApiContinue2 = 0x313C,
    KdApiReadPhysicalMemory = 0x313D,
    KdApiWritePhysicalMemory = 0x313E,
    KdApiReadIoSpaceExtended = 0x3144,
    KdApiWriteIoSpaceExtended = 0x3145,
    KdApiGetVersion = 0x3146,
    KdApiWriteBreakPointEx = 0x3147,
    KdApiRestoreBreakPointEx = 0x3148,
    KdApiCauseBugCheck = 0x3149,
    KdApiSwitchProcessor = 0x3150,
    KdApiReadMsr = 0x3152,
    KdApiWriteMsr = 0x3153,
    KdApiSearchMemory = 0x3156,
    KdApiGetBusData = 0x3157,
    KdApiSetBusData = 0x3158,
    KdApiCheckLowMemory = 0x3159,
    KdApiClearAllInternalBreakpoints = 0x315A,
    KdApiFillMemory = 0x315B,
    KdApiQueryMemory = 0x315C,
    KdApiGetContextEx = 0x315F,
    KdApiSetContextEx = 0x3160,
};

// NTSTATUS values that travel in replies.
constexpr uint32_t KdStatusSuccess = 0;
constexpr uint32_t KdStatusMisaligned = 0x80000002;
constexpr uint32_t KdStatusNoMoreEntries = 0x8000001A;
constexpr uint32_t KdStatusUnsuccessful = 0xC0000001;
constexpr uint32_t KdStatusInvalidParameter = 0xC000000D;
constexpr uint32_t KdStatusNoSuchDevice = 0xC000000E;

inline uint16_t KdGet16(const uint8_t* bytes) {
    uint16_t value;
    __builtin_memcpy(&value, bytes, sizeof value);
    return value;
}

inline uint32_t KdGet32(const uint8_t* bytes) {
    uint32_t value;
    __builtin_memcpy(&value, bytes, sizeof value);
    return value;
}

inline uint64_t KdGet64(const uint8_t* bytes) {
    uint64_t value;
    __builtin_memcpy(&value, bytes, sizeof value);
    return value;
}

inline void KdPut16(uint8_t* bytes, uint16_t value) {
    __builtin_memcpy(bytes, &value, sizeof value);
}

inline void KdPut32(uint8_t* bytes, uint32_t value) {
    __builtin_memcpy(bytes, &value, sizeof value);
}

inline void KdPut64(uint8_t* bytes, uint64_t value) {
    __builtin_memcpy(bytes, &value, sizeof value);
}
