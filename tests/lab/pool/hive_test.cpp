// The sector that keeps the boot flags.
#include "cm.h"

#include <gtest/gtest.h>

namespace {

UCHAR disk[CmSectorBytes];
bool disk_present = true;

void write_hive(ULONG flags) {
    memset(disk, 0, sizeof(disk));
    memcpy(disk, "LABHIVE1", 8);
    memcpy(disk + 8, &flags, 4);
    ULONG sum = 0;
    for (int i = 0; i < 12; ++i)
        sum += disk[i];
    memcpy(disk + 12, &sum, 4);
}

TEST(LabHive, GivesItsFlags) {
    disk_present = true;
    for (const ULONG flags : {0U, 0x400U, 0xFFFFFFFFU}) {
        write_hive(flags);
        EXPECT_EQ(CmReadGlobalFlag(), flags);
    }
}

TEST(LabHive, AbsentOrBadMeansTaggingOn) {
    write_hive(0);
    disk_present = false;
    EXPECT_EQ(CmReadGlobalFlag(), 0x400U);
    disk_present = true;
    disk[12] ^= 1;
    EXPECT_EQ(CmReadGlobalFlag(), 0x400U);
    write_hive(0);
    disk[7] = '2';
    EXPECT_EQ(CmReadGlobalFlag(), 0x400U);
}

} // namespace

BOOLEAN CmpReadSector(ULONG, PUCHAR buffer) {
    memcpy(buffer, disk, sizeof(disk));
    return disk_present;
}
