// Random schedules through the policy `weight` and through the model of dm-band's algorithm, compared after every
// event.
#include <cstdlib>
#include <deque>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "bandfs/device_group.h"
#include "seed_model.h"

namespace bandfs {
namespace {

struct NumberedUnit : Unit {
    int number = 0;
};

/// One schedule. Everything in it follows from the seed.
class Schedule {
public:
    explicit Schedule(std::uint32_t seed) : random_(seed) {
        const int io_throttle = pick(1, 12);
        const int io_limit = io_throttle + pick(0, 30);
        const int token_base = chance(2) ? pick(1, 60) : pick(1, 4000);
        model_ = std::make_unique<SeedModel>(io_throttle, io_limit, token_base);
        device_ = DeviceGroup::create({.io_throttle = static_cast<std::uint32_t>(io_throttle),
                                       .io_limit = static_cast<std::uint32_t>(io_limit),
                                       .token_base = static_cast<std::uint64_t>(token_base)},
                                      "weight");
        mount_ = std::make_unique<MountGroups>(*device_, kDefaultWeight);
        pressure_ = pick(30, 70);
    }

    ~Schedule() {
        device_->suspend();
        released();
        for (Unit& unit : units_) {
            if (unit.state == UnitState::issued) device_->complete(unit, now_);
        }
    }

    /// Does one event on both sides. False when they differ.
    bool step() {
        ++now_;
        event_ = "nothing";
        const int die = pick(0, 99);
        std::string ours;
        std::string theirs;
        if (die < 6) {
            std::tie(ours, theirs) = control();
        } else if (die < 6 + 94 * pressure_ / 100 || model_->in_flight().empty()) {
            std::tie(ours, theirs) = map();
        } else {
            std::tie(ours, theirs) = end();
        }
        if (chance(150)) pressure_ = pick(20, 80);
        ours += " | " + state();
        theirs += " | " + model_->state();
        what_ = event_ + "\n  wanted: " + theirs + "\n  got:    " + ours + '\n';
        return ours == theirs;
    }

    /// The last event, with both answers.
    const std::string& what() const { return what_; }

private:
    using Answers = std::pair<std::string, std::string>;

    int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
    bool chance(int one_in) { return pick(1, one_in) == 1; }

    Group& ours(std::uint64_t id) { return id == 0 ? mount_->default_group() : *mount_->find(id); }
    std::uint64_t any_id() {
        const std::vector<std::uint64_t> ids = model_->ids();
        return ids[static_cast<std::size_t>(pick(0, static_cast<int>(ids.size()) - 1))];
    }

    Answers map() {
        const std::uint64_t id = any_id();
        const int number = static_cast<int>(units_.size());
        NumberedUnit& unit = units_.emplace_back();
        unit.number = number;
        unit.group = &ours(id);
        unit.bytes = static_cast<std::uint32_t>(pick(1, 1 << 17));
        unit.direction = chance(2) ? Direction::read : Direction::write;
        event_ = "map " + std::to_string(number) + ' ' + std::to_string(id);
        const bool immediate = device_->admit(unit, now_) == Admission::immediate;
        const std::string after = released();  // an arrival releases nothing under this policy
        return {(immediate ? "immediate" : "held") + after,
                model_->map(number, *model_->find(id)) ? "immediate" : "held"};
    }

    Answers end() {
        const auto& in_flight = model_->in_flight();
        const int last = static_cast<int>(in_flight.size()) - 1;
        const int number = in_flight[static_cast<std::size_t>(chance(2) ? 0 : pick(0, last))];
        event_ = "end " + std::to_string(number);
        device_->complete(units_[static_cast<std::size_t>(number)], now_);
        std::string mine = released();
        return {mine, listed(model_->end(number))};
    }

    Answers control() {
        const std::uint64_t id = any_id();
        switch (pick(0, 7)) {
            case 0: {
                if (model_->ids().size() > 12) return {};
                event_ = "attach " + std::to_string(++last_id_);
                const bool done = mount_->attach(last_id_, kDefaultWeight) == Error::none;
                model_->attach(last_id_);
                return {done ? "" : "refused", ""};
            }
            case 1: {
                if (id == 0) return {};
                event_ = "detach " + std::to_string(id);
                const bool done = mount_->detach(id, now_, nullptr) == Error::none;
                std::string mine = released();
                return {(done ? "" : "refused") + mine, listed(model_->detach(*model_->find(id)))};
            }
            case 2:
            case 3: {
                const int weight = chance(10) ? 1'000'000 : pick(1, 300);
                event_ = "weight " + std::to_string(id) + ':' + std::to_string(weight);
                const bool done = device_->set_weight(ours(id), static_cast<std::uint64_t>(weight)) == Error::none;
                model_->set_weight(*model_->find(id), weight);
                return {done ? "" : "refused", ""};
            }
            case 4: {
                const int tokens = chance(10) ? 1'000'000 : pick(1, 200);
                event_ = "token " + std::to_string(tokens);
                const bool done = device_->set_token_base(static_cast<std::uint64_t>(tokens)) == Error::none;
                model_->set_token_base(tokens);
                return {done ? "" : "refused", ""};
            }
            case 5: {
                const int n = pick(1, model_->io_limit());
                event_ = "io_throttle " + std::to_string(n);
                const bool done = device_->set_io_throttle(static_cast<std::uint64_t>(n)) == Error::none;
                model_->set_io_throttle(n);
                return {done ? "" : "refused", ""};
            }
            case 6: {
                const int n = model_->io_throttle() + pick(1, 30);
                event_ = "io_limit " + std::to_string(n);
                const bool done = device_->set_io_limit(static_cast<std::uint64_t>(n)) == Error::none;
                model_->set_io_limit(n);
                return {done ? "" : "refused", ""};
            }
            default:
                return suspend_or_resume();
        }
    }

    Answers suspend_or_resume() {
        if (chance(2)) {
            event_ = "suspend";
            device_->suspend();
            std::string mine = released();
            return {mine, listed(model_->suspend())};
        }
        event_ = "resume";
        device_->resume();
        model_->resume();
        return {};
    }

    std::string released() {
        std::vector<int> numbers;
        while (const Unit* unit = device_->release_next(now_)) {
            numbers.push_back(static_cast<const NumberedUnit*>(unit)->number);
        }
        return listed(numbers);
    }

    static std::string listed(const std::vector<int>& numbers) {
        std::string text;
        for (const int number : numbers) text += ' ' + std::to_string(number);
        return text;
    }

    std::string state() const {
        std::string text =
            "epoch=" + std::to_string(device_->epoch()) + " issued=" + std::to_string(device_->issued()) +
            " blocked=" + std::to_string(device_->blocked()) + " plugged=" + (device_->plugged() ? '1' : '0');
        std::as_const(*mount_).for_each([&](const Group& group) {
            text += ' ' + (group.is_default() ? "default" : std::to_string(group.id())) + ':' +
                    std::to_string(group.tokens()) + '/' + std::to_string(group.token_init());
        });
        return text;
    }

    std::mt19937 random_;
    int pressure_;
    TimeNs now_ = 0;
    std::uint64_t last_id_ = 0;
    std::string event_;
    std::string what_;
    std::deque<NumberedUnit> units_;
    std::unique_ptr<SeedModel> model_;
    std::unique_ptr<DeviceGroup> device_;
    std::unique_ptr<MountGroups> mount_;
};

TEST(RandomSchedules, AnswerAsDmBand) {
    const char* const given = std::getenv("BANDFS_SEED");
    const std::uint32_t first = given != nullptr ? static_cast<std::uint32_t>(std::atoi(given)) : 1;
    const std::uint32_t count = given != nullptr ? 1 : 3000;
    constexpr int kSteps = 150;
    for (std::uint32_t seed = first; seed < first + count; ++seed) {
        Schedule schedule(seed);
        for (int step = 0; step < kSteps; ++step) {
            const bool same = schedule.step();
            if (given != nullptr) std::cout << schedule.what();
            ASSERT_TRUE(same) << "all of it with BANDFS_SEED=" << seed << ", step " << step << ": " << schedule.what();
        }
    }
}

}  // namespace
}  // namespace bandfs
