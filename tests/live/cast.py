"""The truth about the drivers of the scenario `hunt` (lab/drivers): who holds what, and what of it leaks."""

import typing


class Memory(typing.NamedTuple):
    """One kind of memory of one driver. Several may have the same tag."""

    driver: str      # module: its image is driver.sys
    tag: str         # four characters, one for each byte as it lies in memory
    pool: str        # "NonPaged" or "Paged"
    leaks: bool
    functions: tuple  # that allocate it: the call sites, wrappers looked through. Without names in nopdb.sys
    counters: tuple   # expressions of its live blocks and bytes; of several drivers: one pair for each, to be added up
    wrappers: tuple = ()     # between the function and the pool's routine, the one called first
    stack: tuple = ()        # the function that is on the stack instead: a call site that jumps (on x64), a lookaside list
    largest: int = 1024      # bytes of a block at most
    in_flight: int = 1       # blocks by which the counters may be off while its threads are at work
    at_most: int = 33        # blocks at once, of what does not leak: a ring is full, and one comes in
    note: str = ""

    @property
    def value(self):
        return int.from_bytes(self.tag.encode("latin-1"), "little")


def counted(symbol):
    """Expressions for a DRIVER_COUNTERS (lab/drivers/counted.h): live blocks and bytes are its first members."""
    return (f"qwo({symbol})", f"qwo({symbol}+8)")


def scalars(blocks, size):
    return (f"qwo({blocks})", f"qwo({size})")


CAST = [
    Memory("leaky", "Abc ", "Paged", True, ("LeakyBuildReport",), (scalars("leaky!LeakyReportBlocks", "leaky!LeakyReportBytes"),)),
    Memory("leaky", "Abc ", "Paged", False, ("LeakyQueueEvent",), (scalars("leaky!LeakyEventBlocks", "leaky!LeakyEventBytes"),)),
    Memory("leaky", "Abc ", "Paged", False, ("LeakyAllocateBuffer",), (scalars("leaky!LeakyStreamBlocks", "leaky!LeakyStreamBytes"),),
           note="for LeakyOpenStream"),
    Memory("wrapped", "WrSe", "NonPaged", True, ("WrappedOpenSession",), (counted("wrapped!WrappedSessions"),), wrappers=("MyAlloc",)),
    Memory("wrapped", "WrLg", "NonPaged", True, ("WrappedWriteLog",), (counted("wrapped!WrappedLog"),),
           wrappers=("MyAllocZeroed", "MyAlloc")),
    Memory("wrapped", "WrPk", "NonPaged", False, ("WrappedQueuePacket",), (counted("wrapped!WrappedPackets"),),
           wrappers=("MyAllocZeroed", "MyAlloc")),
    Memory("wrapped", "WrNm", "Paged", False, ("WrappedCacheName",), (counted("wrapped!WrappedNames"),), wrappers=("MyAlloc",),
           at_most=25, note="allocated once"),
    Memory("tailwrap", "TwSe", "NonPaged", True, ("TwNewSession",), (counted("tailwrap!TwSessions"),),
           wrappers=("TwAllocateBounded", "TwAllocate"), stack=("TwOpenSession",)),
    Memory("tailwrap", "TwEv", "NonPaged", True, ("TwLogEvent",), (counted("tailwrap!TwEvents"),), wrappers=("TwAllocate",)),
    Memory("tailwrap", "TwBf", "NonPaged", False, ("TwQueueBuffer",), (counted("tailwrap!TwBuffers"),),
           wrappers=("TwAllocateBounded", "TwAllocate")),
    Memory("lookaside", "LkRq", "NonPaged", False, ("DriverEntry",), (counted("lookaside!LookasideRequests"),),
           stack=("LookasideServeRequests",), at_most=8, in_flight=8, note="DriverEntry initialises the list"),
    Memory("lookaside", "LkRc", "Paged", False, ("DriverEntry",), (counted("lookaside!LookasideRecords"),),
           stack=("LookasideWriteRecords",), at_most=8, in_flight=8, note="DriverEntry initialises the list"),
    Memory("bigpage", "BigF", "NonPaged", True, ("BigpageCaptureFrame",), (counted("bigpage!BigpageFrames"),), largest=2 * 4096),
    Memory("bigpage", "BigS", "Paged", False, ("BigpageScale",), (counted("bigpage!BigpageScratch"),), largest=6 * 4096, at_most=1),
    Memory("paged", "PgRc", "Paged", True, ("PagedAppendRecord",), (counted("paged!PagedRecords"),),
           note="its old pages leave memory, half of them to a page file that nobody can read"),
    Memory("paged", "PgCa", "Paged", False, ("PagedCacheEntry",), (counted("paged!PagedCache"),)),
    Memory("sawtooth", "SawT", "NonPaged", False, ("SawtoothTakeSample",), (counted("sawtooth!SawtoothSamples"),),
           at_most=300, note="up to 300 blocks in 6 seconds, then none"),
    Memory("handoff", "HndP", "NonPaged", False, ("HandoffBuildPacket",),
           (counted("handoff!HandoffPackets"), counted("receiver!ReceiverPackets")), at_most=63, in_flight=2, note="freed in receiver!ReceiverConsumePacket"),
    Memory("netfilt", "NetB", "NonPaged", True, ("NetfiltDropPacket",), (counted("netfilt!NetfiltClones"),)),
    Memory("netfilt", "NetB", "NonPaged", False, ("NetfiltPassPacket",), (counted("netfilt!NetfiltHeaders"),), at_most=1),
    Memory("netshape", "NetB", "NonPaged", False, ("NetshapeQueueBuffer",), (counted("netshape!NetshapeBuffers"),)),
    Memory("unloaded", "UnRq", "NonPaged", True, ("UnloadedSendRequest",), (),
           note="leaks for 6 seconds from the first one on, and leaves a second later; each block begins with the address of "
                "unloaded!UnloadedCompleteRequest"),
    Memory("unloaded", "UnBu", "NonPaged", False, ("DriverEntry",), (), at_most=1, note="freed when the driver leaves"),
    Memory("dpc", "DpcS", "NonPaged", True, ("DpcTakeSample",), (counted("dpc!DpcSamples"),)),
    Memory("dpc", "DpcQ", "NonPaged", False, ("DpcQueueEntry",), (counted("dpc!DpcQueue"),)),
    Memory("nopdb", "NpCx", "NonPaged", True, (), (counted("nopdb!NopdbContexts"),), note="from poi(nopdb!NopdbLeakRoutine) on"),
    Memory("nopdb", "NpIr", "NonPaged", False, ("NopdbSubmit",), (counted("nopdb!NopdbIrps"),)),
    Memory("oddtags", "O d ", "NonPaged", False, ("OddOpenPort",), (counted("oddtags!OddPorts"),)),
    Memory("oddtags", "\x01O\xfe\t", "NonPaged", True, ("OddMountDrive",), (counted("oddtags!OddDrives"),)),
    Memory("oddtags", "OdVo", "NonPaged", True, ("OddMountVolume",), (counted("oddtags!OddVolumes"),),
           note="the tag is read from the variable OddVolumeTag"),
]

LEAKING_TAGS = sorted({memory.tag for memory in CAST if memory.leaks})
INNOCENT_TAGS = sorted({memory.tag for memory in CAST} - set(LEAKING_TAGS))
DRIVERS = sorted({memory.driver for memory in CAST} | {"receiver"})  # unloaded.sys among them: it comes and goes

# What unloaded.sys has left when it is gone: blocks, and bytes of each as asked for.
UNLOADED_BLOCKS, UNLOADED_REQUEST = 1500, 280


def of_tag(tag):
    return [memory for memory in CAST if memory.tag == tag]


def live(debugger, memories):
    """Blocks and bytes by the drivers' own counters. A 32-bit target's expressions show the lower halves: those do."""
    pairs = [pair for memory in memories for pair in memory.counters]
    return tuple(sum(debugger.value(pair[i]) for pair in pairs) % 2**32 for i in (0, 1))
