// Private declarations of processes and threads (ps/).
#pragma once

#include "../ke/ke.h"

typedef struct _KUSER_SHARED_DATA KUSER_SHARED_DATA;

extern "C" {
// A thread of Process that runs StartRoutine(StartContext) in system space. Returns null without memory.
PETHREAD PspCreateThread(PEPROCESS Process, PKSTART_ROUTINE StartRoutine, PVOID StartContext, KPRIORITY Priority);
PEPROCESS PspCreateProcess(PCSTR ImageFileName, PEPROCESS Parent);
VOID PspInitializeProcess(PEPROCESS Process, PCSTR ImageFileName, ULONG_PTR Id, ULONG_PTR DirectoryTableBase);
PVOID PspAllocateId(VOID); // ids of processes and threads come from one sequence, in steps of 4
extern EPROCESS KiInitialProcess;
extern ETHREAD KiInitialThread;
}
