// What the loader hands to KiSystemStartup. Shared by 32-bit and 64-bit code, so every member has a fixed width.
#pragma once

#define LOADER_MAX_RUNS 8
#define LOADER_MAX_FILES 32

struct LOADER_MEMORY_RUN {
    unsigned long long Base; // physical, bytes
    unsigned long long Size;
};

// A boot file as the machine was given it: the bytes of a PE image, not yet laid out.
struct LOADER_FILE {
    unsigned long long Address; // physical
    unsigned long long Size;
    char Name[64]; // without folders
};

struct LOADER_PARAMETER_BLOCK {
    unsigned long long KernelBase;     // virtual
    unsigned long long KernelSize;     // bytes, whole pages
    unsigned long long KernelPhysical; // first page of the image; its pages are contiguous
    unsigned long long DriverSlide;    // bytes to add to LAB_DRIVER_BASE
    unsigned long long DirectoryTable; // physical address of the page map
    unsigned long long UsedEnd;        // physical memory from 1 MB to here is taken by the loader and what it loaded
    unsigned int RunCount;
    unsigned int FileCount;
    LOADER_MEMORY_RUN Runs[LOADER_MAX_RUNS];
    LOADER_FILE Files[LOADER_MAX_FILES];
    char CommandLine[512];
};
