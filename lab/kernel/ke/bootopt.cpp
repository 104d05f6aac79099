// Words of the boot command line: NAME=VALUE, apart by blanks.
#include "ke.h"

extern "C" {
LOADER_PARAMETER_BLOCK KiLoaderBlock;
LOADER_PARAMETER_BLOCK* KeLoaderBlock = &KiLoaderBlock;
}

// The text behind `Name=`, or null.
static PCSTR KiFindBootOption(PCSTR Name) {
    PCSTR line = KiLoaderBlock.CommandLine;
    for (PCSTR word = line; *word != 0; word++) {
        if (word != line && word[-1] != ' ') {
            continue;
        }
        SIZE_T i = 0;
        while (Name[i] != 0 && word[i] == Name[i]) {
            i++;
        }
        if (Name[i] == 0 && word[i] == '=') {
            return word + i + 1;
        }
    }
    return nullptr;
}

extern "C" BOOLEAN KeGetBootOption(PCSTR Name, PCHAR Value, SIZE_T ValueSize) {
    PCSTR text = KiFindBootOption(Name);
    if (text == nullptr || ValueSize == 0) {
        return FALSE;
    }
    SIZE_T i = 0;
    for (; text[i] != 0 && text[i] != ' ' && i + 1 < ValueSize; i++) {
        Value[i] = text[i];
    }
    Value[i] = 0;
    return TRUE;
}

extern "C" BOOLEAN KeBootOptionIs(PCSTR Name, PCSTR Value, BOOLEAN Default) {
    PCSTR text = KiFindBootOption(Name);
    if (text == nullptr) {
        return Default;
    }
    while (*Value != 0 && *text == *Value) {
        text++, Value++;
    }
    return *Value == 0 && (*text == 0 || *text == ' ');
}
