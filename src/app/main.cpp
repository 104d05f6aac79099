#include "app/program.h"

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    try {
        std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
        return poolkd::app::run_program(arguments);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "poolkd: %s\n", error.what());
        return poolkd::app::exit_command_failed;
    }
}
