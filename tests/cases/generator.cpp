#include "generator.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <random>

namespace poolkd::cases {

using hunt::PoolKind;
using hunt::Snapshot;
using hunt::TagCounts;
using hunt::TagKey;

namespace {

constexpr double day_turn = 2 * std::numbers::pi / 24; ///< per hour

class Dice {
  public:
    explicit Dice(std::uint64_t seed) : engine_(seed) {}
    double even(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }
    /// Evenly over the orders of magnitude.
    double scale(double low, double high) { return std::exp(even(std::log(low), std::log(high))); }
    bool chance(double part) { return even(0, 1) < part; }
    double normal() { return normal_(engine_); }
    double count(double mean) {
        if (mean <= 0) return 0;
        if (mean < 30) return static_cast<double>(std::poisson_distribution<int>(mean)(engine_));
        return std::max(0.0, std::round(mean + std::sqrt(mean) * normal()));
    }

  private:
    std::mt19937_64 engine_;
    std::normal_distribution<double> normal_;
};

/// What the whole machine has to do: days, and busy and quiet hours.
class Load {
  public:
    explicit Load(Dice& dice)
        : amplitude_(dice.chance(0.5) ? dice.even(0.1, 0.6) : 0), phase_(dice.even(0, 6.28)),
          noise_(dice.even(0.05, 0.4)), memory_hours_(dice.scale(0.2, 5)) {}
    double at(double hours, double step_hours, Dice& dice) {
        const double keep = std::exp(-step_hours / memory_hours_);
        state_ = keep * state_ + std::sqrt(1 - keep * keep) * dice.normal();
        return std::exp(noise_ * state_) * (1 + amplitude_ * std::sin(hours * day_turn + phase_));
    }

  private:
    double amplitude_, phase_, noise_, memory_hours_;
    double state_ = 0;
};

struct Moment {
    double hours; ///< since the first snapshot
    double part;  ///< of the evidence that is over, 0 to 1
    double step;  ///< hours since the last snapshot
    double load;  ///< 1 on average
};

/// One tag's blocks, and the counters that a kernel would keep of them.
class Tag {
  public:
    Tag(std::string_view text, PoolKind kind, double size) : key_{*PoolTag::from_text(text), kind}, size_(size) {}
    virtual ~Tag() = default;
    [[nodiscard]] const TagKey& key() const { return key_; }
    void step(const Moment& now, Dice& dice) {
        const Change change = live(now, dice);
        // At least what the change of the level needs; the churn on top.
        const double level = std::max(0.0, std::round(change.blocks));
        const double churn = std::max(std::round(change.allocs), level - blocks_);
        allocs_ += std::max(0.0, churn);
        blocks_ = std::min(level, allocs_);
    }
    /// Before the first snapshot: what happened since boot.
    void begin(const Moment& now, double history_hours, Dice& dice) {
        const Change change = live(now, dice);
        blocks_ = std::max(0.0, std::round(change.blocks + past(history_hours)));
        allocs_ = blocks_ + std::round(change.allocs / std::max(now.step, 1e-9) * history_hours);
    }
    void restart() {
        allocs_ = blocks_ = 0;
        forget();
    }
    [[nodiscard]] TagCounts counts(bool bits32) const {
        auto allocs = static_cast<std::uint64_t>(allocs_), frees = static_cast<std::uint64_t>(allocs_ - blocks_);
        if (bits32) {
            allocs &= 0xffffffffu;
            frees &= 0xffffffffu;
        }
        return {key_, allocs, frees, static_cast<std::int64_t>(blocks_ * size_)};
    }

  protected:
    struct Change {
        double blocks; ///< in use now
        double allocs; ///< made since the last moment
    };
    virtual Change live(const Moment& now, Dice& dice) = 0;
    virtual void forget() {}
    /// Blocks that were left over in the time since boot.
    virtual double past(double) { return 0; }

  private:
    TagKey key_;
    double size_;
    double allocs_ = 0, blocks_ = 0;
};

/// Blocks that come with the load, live for a while, and go.
class WorkingSet : public Tag {
  public:
    WorkingSet(std::string_view text, PoolKind kind, Dice& dice)
        : Tag(text, kind, std::round(dice.scale(32, 2048))), per_hour_(dice.scale(100, 50'000)),
          life_hours_(dice.scale(0.005, 0.5)), base_(dice.scale(1, 5000)) {}

  protected:
    /// How much of the usual load there is.
    virtual double factor(const Moment&) { return 1; }
    Change live(const Moment& now, Dice& dice) override {
        const double rate = per_hour_ * now.load * factor(now);
        return {base_ + dice.count(rate * life_hours_), dice.count(rate * now.step)};
    }
    double per_hour_, life_hours_, base_;
};

class Leak : public WorkingSet {
  public:
    Leak(std::string_view text, PoolKind kind, Dice& dice, double part, double until = 2)
        : WorkingSet(text, kind, dice), part_(part), until_(until), since_boot_(dice.chance(0.5)) {
        if (dice.chance(0.25)) life_hours_ = 0; // nothing but the leak
    }
    double leaked_lately() const { return lately_; }
    double leaked() const { return leaked_; }

  protected:
    Change live(const Moment& now, Dice& dice) override {
        const double rate = per_hour_ * now.load;
        lately_ = now.part <= until_ ? dice.count(rate * part_ * now.step) : 0;
        leaked_ += lately_;
        const double others = life_hours_ > 0 ? dice.count(rate * (1 - part_) * now.step) : 0;
        const double working = life_hours_ > 0 ? dice.count(rate * life_hours_) : 0;
        return {base_ + leaked_ + working, others + lately_};
    }
    void forget() override { leaked_ = 0; }
    double past(double hours) override {
        leaked_ = since_boot_ ? std::round(per_hour_ * part_ * hours) : 0;
        return leaked_;
    }
    double part_, until_;
    bool since_boot_;
    double leaked_ = 0, lately_ = 0;
};

/// Structures that another tag's blocks hold: so many for each of them, and some of their own.
class Follower : public WorkingSet {
  public:
    Follower(std::string_view text, PoolKind kind, Dice& dice, const Leak& leader, double ratio)
        : WorkingSet(text, kind, dice), leader_(leader), ratio_(ratio) {
        if (dice.chance(0.5)) life_hours_ = 0;
        life_hours_ = std::min(life_hours_, 0.05);
    }

  protected:
    Change live(const Moment& now, Dice& dice) override {
        const Change own = life_hours_ > 0 ? WorkingSet::live(now, dice) : Change{base_, 0};
        held_ = std::round(leader_.leaked() * ratio_);
        return {own.blocks + held_, own.allocs + std::round(leader_.leaked_lately() * ratio_)};
    }
    double past(double) override { return std::round(leader_.leaked() * ratio_) - held_; }
    const Leak& leader_;
    double ratio_, held_ = 0;
};

class StepLoad : public WorkingSet {
  public:
    StepLoad(std::string_view text, PoolKind kind, Dice& dice)
        : WorkingSet(text, kind, dice), at_(dice.even(0.2, 0.8)), over_(dice.even(0, 0.05)), height_(dice.even(1.5, 6)),
          silent_(dice.chance(0.3)) {}

  protected:
    Change live(const Moment& now, Dice& dice) override {
        const double risen = std::clamp((now.part - at_) / std::max(over_, 1e-6), 0.0, 1.0);
        const double factor = 1 + (height_ - 1) * risen;
        const double rate = per_hour_ * now.load;
        // A longer life of each block does it as well as more of them.
        return {base_ + dice.count(rate * life_hours_ * factor), dice.count(rate * now.step * (silent_ ? 1 : factor))};
    }
    double at_, over_, height_;
    bool silent_;
};

class RampLoad : public WorkingSet {
  public:
    RampLoad(std::string_view text, PoolKind kind, Dice& dice)
        : WorkingSet(text, kind, dice), height_(dice.even(1.5, 5)) {
        base_ = std::min(base_, per_hour_ * life_hours_ / 4);
    }

  protected:
    double factor(const Moment& now) override { return 1 + (height_ - 1) * now.part; }
    double height_;
};

class Rhythm : public WorkingSet {
  public:
    Rhythm(std::string_view text, PoolKind kind, Dice& dice)
        : WorkingSet(text, kind, dice), amplitude_(dice.even(0.3, 0.9)), phase_(dice.even(0, 6.28)),
          lazy_(dice.chance(0.5)), level_(dice.scale(200, 100'000)) {}

  protected:
    Change live(const Moment& now, Dice& dice) override {
        const double factor = 1 + amplitude_ * std::sin(now.hours * day_turn + phase_);
        // Lazy: the number of blocks follows the day, the churn does not.
        if (lazy_) return {dice.count(level_ * factor), dice.count(per_hour_ * 0.1 * now.step)};
        const double rate = per_hour_ * factor * now.load;
        return {base_ + dice.count(rate * life_hours_), dice.count(rate * now.step)};
    }
    double amplitude_, phase_;
    bool lazy_;
    double level_;
};

class WarmUp : public WorkingSet {
  public:
    WarmUp(std::string_view text, PoolKind kind, Dice& dice)
        : WorkingSet(text, kind, dice), tau_(dice.even(0.03, 0.3)), cap_(dice.scale(500, 500'000)),
          quiet_(dice.chance(0.3)), sharp_(dice.chance(0.3)) {}

  protected:
    Change live(const Moment& now, Dice& dice) override {
        const double filled = sharp_ ? std::min(1.0, now.part / (2 * tau_)) : 1 - std::exp(-now.part / tau_);
        const double level = base_ + cap_ * filled;
        const double noise = quiet_ ? 0 : level * 0.003 * dice.normal();
        return {level + noise, quiet_ ? 0 : dice.count(per_hour_ * now.load * now.step)};
    }
    double tau_, cap_;
    bool quiet_, sharp_;
};

/// A cache whose size wanders around its middle.
class Breathing : public WorkingSet {
  public:
    Breathing(std::string_view text, PoolKind kind, Dice& dice, double slow_hours)
        : WorkingSet(text, kind, dice), middle_(dice.scale(20'000, 500'000)), wide_(dice.even(0.05, 0.25)),
          memory_hours_(slow_hours) {}

  protected:
    Change live(const Moment& now, Dice& dice) override {
        const double keep = std::exp(-now.step / memory_hours_);
        state_ = keep * state_ + std::sqrt(1 - keep * keep) * dice.normal();
        const double level = middle_ * std::max(0.1, 1 + wide_ * state_);
        return {level, dice.count((per_hour_ + middle_ / 4) * now.load * now.step)};
    }
    double middle_, wide_, memory_hours_, state_ = 0;
};

/// A slow leak in the same tag as a cache.
class LeakInCache : public Breathing {
  public:
    LeakInCache(std::string_view text, PoolKind kind, Dice& dice)
        : Breathing(text, kind, dice, dice.scale(0.5, 4)), leak_per_hour_(middle_ * dice.even(0.002, 0.01)) {}

  protected:
    Change live(const Moment& now, Dice& dice) override {
        Change cache = Breathing::live(now, dice);
        const double more = dice.count(leak_per_hour_ * now.step);
        leaked_ += more;
        return {cache.blocks + leaked_, cache.allocs + more};
    }
    void forget() override { leaked_ = 0; }
    double leak_per_hour_, leaked_ = 0;
};

class Sawtooth : public Tag {
  public:
    Sawtooth(std::string_view text, PoolKind kind, Dice& dice)
        : Tag(text, kind, 96), period_hours_(dice.scale(1, 20)), height_(dice.scale(50, 5000)) {}

  protected:
    Change live(const Moment& now, Dice& dice) override {
        part_ += now.step / period_hours_ / tooth_;
        if (part_ >= 1) {
            // No two teeth are alike.
            tooth_ = dice.even(0.8, 1.2);
            part_ -= std::floor(part_);
        }
        return {20 + height_ * part_, dice.count(height_ / period_hours_ * now.step)};
    }
    double period_hours_, height_, part_ = 0, tooth_ = 1;
};

class Still : public Tag {
  public:
    Still(std::string_view text, PoolKind kind, Dice& dice)
        : Tag(text, kind, std::round(dice.scale(32, 4096))), blocks_(std::round(dice.scale(1, 50'000))) {}

  protected:
    Change live(const Moment&, Dice&) override { return {blocks_, 0}; }
    double blocks_;
};

/// Allocations so many that 32-bit counters wrap, and a leak among them.
class WrappingLeak : public Leak {
  public:
    WrappingLeak(std::string_view text, PoolKind kind, Dice& dice, double step_hours) : Leak(text, kind, dice, 0) {
        per_hour_ = dice.even(2e8, 1.5e9) * 0.5 / step_hours; // a good part of 2^32 in each interval
        life_hours_ = dice.even(100, 2000) / per_hour_;
        part_ = dice.even(20, 2000) / per_hour_ / step_hours;
    }
};

/// A machine: its tags and what is seen of it.
class Machine {
  public:
    explicit Machine(unsigned seed) : dice(seed), load_(dice) {}

    Dice dice;
    Case result;
    std::vector<std::unique_ptr<Tag>> tags;
    bool bits32 = false;
    std::optional<std::size_t> restart_at;
    bool lossy = false;

    template <class T, class... Args>
    T& add(std::string_view text, PoolKind kind, Args&&... args) {
        auto tag = std::make_unique<T>(text, kind, dice, std::forward<Args>(args)...);
        T& made = *tag;
        tags.push_back(std::move(tag));
        return made;
    }

    void run(const CaseOptions& options) {
        const double step = options.interval_seconds / 3600;
        const auto start = hunt::Time(std::chrono::seconds(1'750'000'000));
        const double history = dice.scale(48, 500); // hours since boot at the first snapshot
        for (std::size_t i = 0; i < options.snapshots; ++i) {
            Moment now{static_cast<double>(i) * step,
                       options.snapshots < 2 ? 1 : static_cast<double>(i) / static_cast<double>(options.snapshots - 1),
                       step, 0};
            now.load = load_.at(now.hours, step, dice);
            if (restart_at == i)
                for (auto& tag : tags)
                    tag->restart();
            Snapshot snapshot;
            const double late = dice.even(-0.02, 0.02) * step;
            snapshot.time = start + std::chrono::milliseconds(std::llround((now.hours + late) * 3.6e6));
            snapshot.evidence = "generated";
            for (auto& tag : tags) {
                if (i == 0) {
                    tag->begin(now, history, dice);
                } else {
                    tag->step(now, dice);
                }
                if (!lossy || !dice.chance(0.05)) snapshot.rows.push_back(tag->counts(bits32));
            }
            hunt::sort_rows(snapshot.rows);
            const bool gap = lossy && now.part > 0.6 && now.part < 0.7;
            if (gap || (lossy && i != 0 && dice.chance(0.3))) continue;
            result.snapshots.push_back(std::move(snapshot));
        }
    }

  private:
    Load load_;
};

struct LockstepCast {
    std::string_view owner;
    std::vector<std::pair<std::string_view, double>> others; ///< ratio to the owner
};
const LockstepCast casts[] = {
    {"WCsc", {{"NtFC", 1}, {"IoNm", 1}, {"IoFE", 2}}},
    {"XfCx", {{"File", 1}, {"FMfn", 1}, {"IoNm", 1}}}, // a third party's filter
    {"NPBL", {{"Mdl ", 1}}},
    {"VgDr", {{"Mmdi", 1}}},
    {"Proc", {{"MiP2", 1}, {"Toke", 1}, {"ObNm", 2}}},
    {"AvSc", {{"NtFC", 2}, {"FMsl", 1}}},
    {"Zfil", {{"Irp ", 1}, {"Mdl ", 2}}},
    {"File", {{"IoNm", 1}}},
};

void add_background(Machine& machine) {
    machine.add<Still>("Stat", PoolKind::nonpaged);
    machine.add<WorkingSet>("Busy", PoolKind::nonpaged);
    machine.add<Breathing>("Cach", PoolKind::paged, machine.dice.scale(0.5, 6));
    machine.add<Sawtooth>("Saww", PoolKind::paged);
}

PoolKind either(Dice& dice) {
    return dice.chance(0.5) ? PoolKind::paged : PoolKind::nonpaged;
}

} // namespace

std::string_view name_of(Kind kind) {
    switch (kind) {
    case Kind::noisy_load: return "leak under noisy load";
    case Kind::slow_under_cache: return "slow leak under a big cache";
    case Kind::lockstep: return "leaks in lockstep";
    case Kind::wrap: return "leak, counters wrap";
    case Kind::restart: return "leak, restart in the middle";
    case Kind::missing: return "leak, samples missing";
    case Kind::stops: return "leak that stops";
    case Kind::step_load: return "step load";
    case Kind::ramp_load: return "growing load";
    case Kind::daily_rhythm: return "daily rhythm";
    case Kind::warm_up: return "warm-up that saturates";
    case Kind::walking_cache: break;
    }
    return "wandering cache";
}

Case make_case(Kind kind, unsigned seed, const CaseOptions& options) {
    Machine machine(seed * 1009 + static_cast<unsigned>(kind));
    Dice& dice = machine.dice;
    add_background(machine);
    auto leaks = [&](const Tag& tag) { machine.result.leaking.insert(tag.key()); };
    // Each draw has a statement of its own: in which order arguments are evaluated is the compiler's choice.
    auto leak = [&](double low, double high, double until = 2) -> Leak& {
        const double part = dice.scale(low, high);
        const PoolKind pool = either(dice);
        return machine.add<Leak>("Leak", pool, part, until);
    };
    auto cache = [&](std::string_view text, double low, double high) {
        const double slow_hours = dice.scale(low, high);
        const PoolKind pool = either(dice);
        machine.add<Breathing>(text, pool, slow_hours);
    };
    switch (kind) {
    case Kind::noisy_load: leaks(leak(0.005, 0.2)); break;
    case Kind::slow_under_cache:
        if (dice.chance(0.5)) {
            leaks(machine.add<LeakInCache>("Leak", either(dice)));
        } else {
            leaks(leak(0.003, 0.02));
            cache("Big ", 0.5, 6);
        }
        break;
    case Kind::lockstep: {
        const LockstepCast& cast = casts[seed % std::size(casts)];
        Leak& owner = machine.add<Leak>(cast.owner, PoolKind::nonpaged, dice.scale(0.02, 0.5));
        leaks(owner);
        machine.result.owner = PoolTag::from_text(cast.owner)->text();
        machine.result.group.insert(owner.key());
        for (auto [text, ratio] : cast.others) {
            const Tag& follower = machine.add<Follower>(text, either(dice), owner, ratio);
            leaks(follower);
            machine.result.group.insert(follower.key());
        }
        break;
    }
    case Kind::wrap:
        machine.bits32 = true;
        leaks(machine.add<WrappingLeak>("Leak", either(dice), options.interval_seconds / 3600));
        break;
    case Kind::restart:
        leaks(leak(0.02, 0.2));
        machine.restart_at = static_cast<std::size_t>(dice.even(0.4, 0.6) * static_cast<double>(options.snapshots));
        break;
    case Kind::missing:
        leaks(leak(0.02, 0.2));
        machine.lossy = true;
        break;
    case Kind::stops: {
        const double until = dice.even(0.4, 0.8);
        machine.result.leaked.insert(leak(0.05, 0.5, until).key());
        break;
    }
    case Kind::step_load: machine.add<StepLoad>("Step", either(dice)); break;
    case Kind::ramp_load: machine.add<RampLoad>("Ramp", either(dice)); break;
    case Kind::daily_rhythm: machine.add<Rhythm>("Day ", either(dice)); break;
    case Kind::warm_up: machine.add<WarmUp>("Warm", either(dice)); break;
    case Kind::walking_cache: cache("Walk", 6, 200); break;
    }
    machine.run(options);
    return std::move(machine.result);
}

} // namespace poolkd::cases
