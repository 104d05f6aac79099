// Which drivers a scenario starts.
#include "ki.h"

static const PCSTR CmPageDrivers[] = {"bgwork.sys",  "leaky.sys", "tronfs.sys", "ionet.sys",
                                      "glacier.sys", "ggbus.sys", nullptr};
static const PCSTR CmLeakDrivers[] = {"leaky.sys", nullptr}; // which begins young then
// One for each way to leak, or to look as if; unloaded.sys comes and goes by itself.
static const PCSTR CmHuntDrivers[] = {"leaky.sys",    "wrapped.sys",  "tailwrap.sys", "lookaside.sys", "bigpage.sys",
                                      "paged.sys",    "sawtooth.sys", "handoff.sys",  "receiver.sys",  "netfilt.sys",
                                      "netshape.sys", "dpc.sys",      "nopdb.sys",    "oddtags.sys",   nullptr};
static const PCSTR CmIdleDrivers[] = {nullptr};

struct CM_SCENARIO {
    PCSTR Name;
    const PCSTR* Drivers;
};

static const CM_SCENARIO CmScenarios[] = {
    {"page", CmPageDrivers}, {"leak", CmLeakDrivers}, {"hunt", CmHuntDrivers}, {"idle", CmIdleDrivers}};

static BOOLEAN CmSameText(PCSTR First, PCSTR Second) {
    while (*First != '\0' && *First == *Second) {
        First++;
        Second++;
    }
    return *First == *Second;
}

const PCSTR* CmScenarioDrivers(PCSTR Scenario) {
    for (const CM_SCENARIO& scenario : CmScenarios) {
        if (CmSameText(scenario.Name, Scenario)) {
            return scenario.Drivers;
        }
    }
    return nullptr;
}
