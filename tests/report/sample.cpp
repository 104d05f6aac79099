// sample DIR: writes reports of made-up hunts, full.html and others, for the tests in a browser.
#include "render/hunt_html.h"
#include "support/hunt_samples.h"

#include <filesystem>
#include <fstream>

int main(int argc, char** argv) {
    namespace samples = poolkd::samples;
    if (argc != 2) return 2;
    const std::filesystem::path folder = argv[1];
    std::filesystem::create_directories(folder);
    auto write = [&](const char* name, const poolkd::hunt::HuntReport& report) {
        std::ofstream file(folder / name, std::ios::binary);
        return bool(file << poolkd::render::hunt_html(report) << std::flush);
    };
    const bool written =
        write("full.html", samples::hunt_report()) && write("empty.html", samples::empty_hunt_report()) &&
        write("partial.html", samples::partial_hunt_report()) &&
        write("hostile.html", samples::hostile_hunt_report()) && write("long.html", samples::long_names_hunt_report());
    return written ? 0 : 1;
}
