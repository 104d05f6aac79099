// Prints and prompts.
#include "kdp.h"

static void KdpFillDebugIo(const KD_STOP* Stop, uint8_t* Header, uint32_t Api, uint32_t Length, uint32_t ResponseSize) {
    KdPut32(Header, Api);
    KdPut16(Header + 4, Stop->ProcessorLevel);
    KdPut16(Header + 6, Stop->Processor);
    KdPut32(Header + 8, Length);
    KdPut32(Header + 12, ResponseSize);
}

void KdpSendPrint(const KD_STOP* Stop, const char* Text, uint32_t Length) {
    if (KdDebuggerNotPresent != 0) {
        return;
    }
    if (Length > KdMaximumPrint) {
        Length = KdMaximumPrint;
    }
    uint8_t header[KdDebugIoSize];
    KdpFillDebugIo(Stop, header, KdPrintString, Length, 0);
    KdSendPacket(KdTypeDebugIo, header, sizeof header, reinterpret_cast<const uint8_t*>(Text), Length);
}

uint32_t KdpSendPrompt(const KD_STOP* Stop, const char* Text, uint32_t Length, char* Response, uint32_t ResponseSize) {
    if (Length > KdMaximumPrint) {
        Length = KdMaximumPrint;
    }
    uint8_t header[KdDebugIoSize];
    KdpFillDebugIo(Stop, header, KdGetString, Length, ResponseSize);
    for (;;) {
        KdSendPacket(KdTypeDebugIo, header, sizeof header, reinterpret_cast<const uint8_t*>(Text), Length);
        KD_MESSAGE message;
        KD_RECEIVE_STATUS status;
        do {
            status = KdReceivePacket(KdTypeDebugIo, &message);
        } while (status == KdPacketTimedOut || (status == KdPacketReceived && KdGet32(message.Header) != KdGetString));
        if (status == KdPacketReceived) {
            uint32_t length = KdGet32(message.Header + 12);
            length = length < message.DataSize ? length : message.DataSize;
            length = length < ResponseSize ? length : ResponseSize;
            __builtin_memcpy(Response, message.Data, length);
            return length;
        }
    }
}
