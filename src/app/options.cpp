#include "app/options.h"

#include "base/text.h"

#include <algorithm>
#include <filesystem>

namespace poolkd::app {

namespace {

enum class Takes { nothing, value };

/// An option of kd. `set` gets the value, or an empty text.
struct Option {
    std::string_view name; ///< in lower case, without the dash
    Takes takes;
    void (*set)(Options&, std::string_view);
};

void ignore(Options&, std::string_view) {}

constexpr Option kd_options[] = {
    {"c", Takes::value, [](Options& o, std::string_view v) { o.commands = v; }},
    {"z", Takes::value, [](Options& o, std::string_view v) { o.image = v; }},
    {"cf", Takes::value, [](Options& o, std::string_view v) { o.script = v; }},
    {"y", Takes::value, [](Options& o, std::string_view v) { o.symbol_path = v; }},
    {"i", Takes::value, ignore},
    {"srcpath", Takes::value, ignore},
    {"logo", Takes::value,
     [](Options& o, std::string_view v) {
         o.log = v;
         o.log_append = false;
     }},
    {"loga", Takes::value,
     [](Options& o, std::string_view v) {
         o.log = v;
         o.log_append = true;
     }},
    {"n", Takes::nothing, [](Options& o, std::string_view) { o.noisy_symbols = true; }},
    {"v", Takes::nothing, [](Options& o, std::string_view) { o.verbose = true; }},
    {"b", Takes::nothing, ignore},
    {"bonc", Takes::nothing, ignore}, // poolkd always breaks in when it connects
    {"r", Takes::nothing, ignore},    // registers are shown by r
    {"lines", Takes::nothing, ignore},
    {"kqm", Takes::nothing, [](Options& o, std::string_view) { o.quiet = true; }},
    {"myob", Takes::nothing, ignore},
    {"noshell", Takes::nothing, ignore}, // there is no .shell
    {"secure", Takes::nothing, ignore},
    {"sicv", Takes::nothing, ignore},
    {"snc", Takes::nothing, ignore},
    {"snul", Takes::nothing, ignore},
    {"sup", Takes::nothing, ignore},
    {"sdce", Takes::nothing, ignore},
    {"ses", Takes::nothing, ignore},
    {"failinc", Takes::nothing, ignore},
    {"sflags", Takes::value, ignore},
    {"clines", Takes::value, ignore},
    {"t", Takes::value, ignore},
    {"version", Takes::nothing, [](Options& o, std::string_view) { o.action = Options::Action::version; }},
    {"?", Takes::nothing, [](Options& o, std::string_view) { o.action = Options::Action::help; }},
    {"h", Takes::nothing, [](Options& o, std::string_view) { o.action = Options::Action::help; }},
};

struct Refusal {
    std::string_view name;
    std::string_view why;
};

constexpr Refusal refusals[] = {
    {"zp", "page files cannot be opened"},
    {"kl", "the kernel of this machine is not an NT kernel"},
    {"kx", "EXDI connections are not supported"},
    {"cfr", "a script at every restart is not supported; -cf runs one at the start"},
    {"d", "stopping at the first module load is not supported"},
    {"x", "stopping at first-chance exceptions is not supported"},
    {"s", "symbols are always loaded when first needed"},
    {"sins", "the symbol path variables are not ignored; -y sets the path"},
    {"m", "modems are not supported"},
    {"server", "debugging servers are not supported"},
    {"remote", "debugging servers are not supported"},
    {"qr", "debugging servers are not supported"},
    {"iu", "protocols are not registered"},
    {"wake", "a sleeping debugger cannot be woken"},
    {"noio", "input and output are always local"},
    {"logou", "logs are written in UTF-8; use -logo"},
    {"logau", "logs are written in UTF-8; use -loga"},
};

const Option* find_option(std::string_view name) {
    auto found = std::ranges::find_if(kd_options, [&](const Option& o) { return equals_ignore_case(o.name, name); });
    return found == std::end(kd_options) ? nullptr : found;
}

/// "rnv": switches of one letter without values, written as one word.
bool is_switch_group(std::string_view name) {
    return name.size() > 1 && std::ranges::all_of(name, [](const char& c) {
               const Option* option = find_option(std::string_view(&c, 1));
               return option && option->takes == Takes::nothing && c != '?' && c != 'h';
           });
}

bool is_file(std::string_view word) {
    std::error_code error;
    return std::filesystem::is_regular_file(word, error);
}

std::unexpected<Error> refuse(std::string_view word, std::string_view why) {
    return fail(ErrorKind::unsupported, "{}: {}", word, why);
}

Result<void> read_lab_option(Options& options, std::string_view word) {
    constexpr std::string_view prefix = "--lab-";
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) value = word.substr(equals + 1);
    if (name == "--lab") {
        options.lab = value.value_or("");
        return {};
    }
    if (!name.starts_with(prefix)) return fail(ErrorKind::usage, "Unknown option {} (poolkd -? lists them)", word);
    if (auto done = set_lab_option(options.lab_options, name.substr(prefix.size()), value); !done)
        return fail(ErrorKind::usage, "{}: {} (poolkd -? lists the options)", word, done.error().message);
    return {};
}

Result<void> read_long_option(Options& options, std::string_view word) {
    if (word == "--json") {
        options.json = true;
    } else if (word == "--quiet") {
        options.quiet = true;
    } else if (word == "--help") {
        options.action = Options::Action::help;
    } else if (word == "--version") {
        options.action = Options::Action::version;
    } else {
        return read_lab_option(options, word);
    }
    return {};
}

} // namespace

Result<Options> parse_options(std::span<const std::string> arguments, Options options) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        std::string_view word = arguments[i];
        if (word.starts_with("--")) {
            POOLKD_CHECK(read_long_option(options, word));
            continue;
        }
        // A file alone is an image; its path may begin with the slash that options may begin with.
        if (!word.starts_with('-') && is_file(word)) {
            options.image = word;
            continue;
        }
        if (word.size() < 2 || (word.front() != '-' && word.front() != '/'))
            return fail(ErrorKind::usage, "'{}' is no option (poolkd -? lists them)", word);
        std::string_view name = word.substr(1);
        bool has_next = i + 1 < arguments.size();
        if (equals_ignore_case(name, "k")) {
            bool given = has_next && !arguments[i + 1].starts_with('-');
            options.connection = given ? arguments[++i] : std::string();
            continue;
        }
        if (equals_ignore_case(name, "ee")) {
            if (!has_next) return fail(ErrorKind::usage, "{} needs a value", word);
            if (!equals_ignore_case(arguments[++i], "masm"))
                return refuse(word, "only the masm evaluator is available");
            continue;
        }
        if (const Option* option = find_option(name)) {
            if (option->takes == Takes::value && !has_next) return fail(ErrorKind::usage, "{} needs a value", word);
            option->set(options, option->takes == Takes::value ? std::string_view(arguments[++i]) : std::string_view{});
            continue;
        }
        for (const Refusal& refusal : refusals)
            if (equals_ignore_case(refusal.name, name)) return refuse(word, refusal.why);
        if (!is_switch_group(name)) return fail(ErrorKind::usage, "Unknown option {} (poolkd -? lists them)", word);
        for (char c : name)
            find_option(std::string_view(&c, 1))->set(options, {});
    }
    if (options.connection && options.lab) return fail(ErrorKind::usage, "-k and --lab exclude each other");
    if (options.image && (options.connection || options.lab)) return fail(ErrorKind::usage, "-z excludes -k and --lab");
    return options;
}

std::string usage_text() {
    return R"(poolkd: a kernel debugger for Windows NT targets that finds pool leaks

  poolkd -k <connection> [options]   connect to a kernel
  poolkd -z <file> [options]         open a crash dump or another image of a machine's memory; also poolkd <file>
  poolkd --lab[=<scenario>] [options] start a practice machine, connect to it, end it with the session
  poolkd poolmon -k <connection>     PoolMon's live table, with a verdict on each tag (poolkd poolmon /?)
  poolkd record <file> -k <connection> snapshots over hours into a series for verdict and trend
  poolkd trace <tag> -k <connection> a tag's allocations and frees by stack: who does not free
  poolkd sites <image>...            where drivers allocate and free, and under which tags, from their code
  poolkd hunt <evidence>...          which tags leak, whose they are, from where: any evidence, a live target
  poolkd verdict <evidence>...       which tags leak: files of snapshots, or a live target
  poolkd diff <snapshot> <snapshot>  what each tag gained between two snapshots
  poolkd trend <series> [<tag>...]   how tags went over time, in figures and charts
  poolkd lab start|stop|restart|list practice machines that stay
  poolkd gflags [+ptg|-ptg]          the boot flags of a practice machine
  poolkd help [<command>]            the debugger's commands, or one of them, or a subcommand

Connections:
  com:port=/dev/ttyS0,baud=115200    serial line
  com:pipe,port=<socket>[,reconnect] Unix socket of a virtual machine; also unix:<socket>
  com:ipport=<port>,port=<host>      serial line over TCP; also tcp:<host>:<port>
  lab:<name>                         a practice machine that runs
  (none)                             _NT_DEBUG_PORT and _NT_DEBUG_BAUD_RATE

Options (- and / are the same; case does not matter):
  -c "<commands>"   run these first, separated by ;
  -cf <file>        run the lines of a file first (before -c)
  -y <path>         symbol path; otherwise _NT_ALT_SYMBOL_PATH and _NT_SYMBOL_PATH
  -i <path>         image path (accepted; images are not needed)
  -logo <file>      log what is shown to a file; -loga appends
  -n                tell where symbols are looked for
  -v                tell module loads and unloads
  -b -bonc -r -lines -kqm and others of kd's switches are accepted; one-letter ones may be joined (-nv)
  -version, -?      print and exit
  --json            answer in JSON where a command can
  --quiet           no banner
  --lab-arch=x64|x86, --lab-era=7|10|11, --lab-seed=<n>, --lab-processors=<n>, --lab-kaslr, --lab-pipe=virtio|com1,
  --lab-memory=<MB>, --lab-no-tagging, --lab-boot=<words>: the practice machine (poolkd lab start -? tells them)

Without a terminal there is no prompt: commands are read line by line, and at their end the target is left as it was
found. Ctrl-C breaks into a running target or stops the command; it does not end the program: q or qd does.

Exit codes: 0 all went well; 1 a command of -c, -cf or piped input failed, or the image cannot be opened;
2 the command line is wrong; 3 no target could be reached.
)";
}

} // namespace poolkd::app
