// The pipe on COM1: a 16550, polled.
#include "../kdpipe.h"

constexpr uint16_t KdpComBase = 0x3F8;
constexpr uint16_t KdpComData = KdpComBase;
constexpr uint16_t KdpComInterruptEnable = KdpComBase + 1;
constexpr uint16_t KdpComFifoControl = KdpComBase + 2;
constexpr uint16_t KdpComLineControl = KdpComBase + 3;
constexpr uint16_t KdpComModemControl = KdpComBase + 4;
constexpr uint16_t KdpComLineStatus = KdpComBase + 5;
constexpr uint16_t KdpComScratch = KdpComBase + 7;

constexpr uint8_t KdpComDataReady = 0x01;
constexpr uint8_t KdpComTransmitterEmpty = 0x20;
constexpr uint8_t KdpComNothing = 0xFF; // what the bus reads as without a port
constexpr uint32_t KdpComFifoSize =
    16; // more after one look at the line status is lost when the other end reads slowly
constexpr uint32_t KdpComPatience = 10000000;

static uint32_t KdpComGet(uint8_t* Bytes, uint32_t Size) {
    uint32_t got = 0;
    while ((KdpIn8(KdpComLineStatus) & KdpComDataReady) != 0 && got < Size) {
        Bytes[got++] = KdpIn8(KdpComData);
    }
    return got;
}

static void KdpComPut(const uint8_t* Bytes, uint32_t Size) {
    uint32_t at = 0;
    while (at < Size) {
        uint32_t polls = 0;
        while ((KdpIn8(KdpComLineStatus) & KdpComTransmitterEmpty) == 0) {
            if (++polls > KdpComPatience) {
                return;
            }
        }
        for (uint32_t burst = 0; burst < KdpComFifoSize && at < Size; burst++) {
            KdpOut8(KdpComData, Bytes[at++]);
        }
    }
}

static KD_PIPE KdpComPipe = {KdpComGet, KdpComPut, 10000, KdpIdle};

const KD_PIPE* KdpOpenSerial() {
    KdpOut8(KdpComScratch, 0x5A);
    if (KdpIn8(KdpComScratch) != 0x5A || KdpIn8(KdpComLineStatus) == KdpComNothing) {
        return nullptr;
    }
    KdpOut8(KdpComInterruptEnable, 0);
    KdpOut8(KdpComLineControl, 0x80); // divisor: 1 for 115200 baud
    KdpOut8(KdpComData, 1);
    KdpOut8(KdpComInterruptEnable, 0);
    KdpOut8(KdpComLineControl, 0x03); // 8 bits, no parity, 1 stop bit
    KdpOut8(KdpComFifoControl,
            0xC7); // FIFOs on and empty, the highest trigger level: the emulated port hands over so much at once
    KdpOut8(KdpComModemControl, 0x0B); // DTR, RTS, OUT2
    KdpCalibratePipe(&KdpComPipe);
    return &KdpComPipe;
}
