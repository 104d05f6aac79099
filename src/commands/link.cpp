#include "commands/link.h"

#include "debugger/session.h"

#include <nlohmann/json.hpp>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Session;

namespace {

double milliseconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

Result<void> show_link(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    const target::LinkStatistics* link = session.target().link_statistics();
    if (!link)
        return fail(ErrorKind::unsupported, "There is no link: the target is {}", session.target().identity().kind);
    const double average =
        link->requests ? milliseconds(link->round_trip_total) / static_cast<double>(link->requests) : 0;
    if (arguments.json) {
        session.write_json(nlohmann::json{{"connection", session.target().identity().connection},
                                          {"packets_sent", link->packets_sent},
                                          {"packets_received", link->packets_received},
                                          {"bytes_sent", link->bytes_sent},
                                          {"bytes_received", link->bytes_received},
                                          {"requests", link->requests},
                                          {"resends", link->resends},
                                          {"rejected", link->rejected},
                                          {"resets", link->resets},
                                          {"round_trip_ms",
                                           {{"average", average},
                                            {"best", milliseconds(link->round_trip_best)},
                                            {"worst", milliseconds(link->round_trip_worst)}}}});
        return {};
    }
    session.print("Link:         {}\n", session.target().identity().connection);
    session.print("Packets:      {} sent, {} received\n", link->packets_sent, link->packets_received);
    session.print("Bytes:        {} sent, {} received\n", link->bytes_sent, link->bytes_received);
    session.print("Requests:     {}; round trip {:.2f} ms on average, {:.2f} best, {:.2f} worst\n", link->requests,
                  average, milliseconds(link->round_trip_best), milliseconds(link->round_trip_worst));
    session.print("Faults:       {} resends, {} rejected packets, {} resets\n", link->resends, link->rejected,
                  link->resets);
    return {};
}

} // namespace

void add_link_commands(debugger::CommandTable& table) {
    table.add({.names = {".link"},
               .family = "Target",
               .summary = "figures of the connection: packets, bytes, resends, round-trip times",
               .syntax = ".link [--json]",
               .needs_stop = false,
               .json = true,
               .run = show_link});
}

} // namespace poolkd::commands
