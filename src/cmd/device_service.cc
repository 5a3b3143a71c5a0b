#include "cmd/device_service.h"

#include <spdlog/spdlog.h>

#include "sys/clock.h"
#include "sys/tuning.h"

namespace bandfs {
namespace {

constexpr std::string_view kDefaultPolicy = "default";

/// What a device group has in force, as it can be compared.
struct InForce {
    std::uint64_t io_throttle = 0;
    std::uint64_t io_limit = 0;
    std::uint64_t token = 0;
    std::uint64_t held_max_mib = 0;
    std::string policy;
    std::string cost;
};

Failure conflict(const std::string& group, std::string_view option, const std::string& wanted, const std::string& has) {
    return {ExitCode::conflict, "option " + std::string(option) + "=" + wanted + ": device group " + group +
                                    " is running with " + std::string(option) + "=" + has};
}

template <typename Wanted, typename Has>
Outcome<Done> same(const std::string& group, std::string_view option, const std::optional<Wanted>& wanted,
                   const Has& has) {
    if (!wanted || *wanted == has) return Done{};
    if constexpr (std::is_convertible_v<Has, std::string>) {
        return conflict(group, option, *wanted, has);
    } else {
        return conflict(group, option, std::to_string(*wanted), std::to_string(has));
    }
}

/// The kernel may end a mount whose requests are answered too late; what was held has to be done in time, too.
TimeNs hold_in_force(std::uint32_t wanted_s) {
    const TimeNs wanted = wanted_s * kSecond;
    const std::optional<std::uint32_t> timeout = request_timeout_s();
    if (!timeout || wanted <= *timeout * kSecond / 2) return wanted;
    spdlog::info("requests are held for {} s at most, not {}: the kernel gives them up after {} s", *timeout / 2.0,
                 wanted_s, *timeout);
    return *timeout * kSecond / 2;
}

}  // namespace

Outcome<std::shared_ptr<Gate>> DeviceService::join(const DeviceRequest& wanted) {
    std::lock_guard lock(mutex_);
    const bool unused = gate_ == nullptr || gate_.use_count() == 1;
    if (auto agreed = unused ? make(wanted) : compare(wanted); !agreed) return agreed.failure();
    return gate_;
}

std::shared_ptr<Gate> DeviceService::gate() {
    std::lock_guard lock(mutex_);
    return gate_;
}

std::uint32_t DeviceService::hold_s() {
    std::lock_guard lock(mutex_);
    return hold_s_;
}

void DeviceService::set_hold(std::uint32_t seconds) {
    std::lock_guard lock(mutex_);
    hold_s_ = seconds;
    if (gate_) gate_->set_longest_hold(hold_in_force(seconds));
}

Outcome<Done> DeviceService::make(const DeviceRequest& wanted) {
    const std::string policy = wanted.policy.value_or(std::string(kDefaultPolicy));
    auto group = DeviceGroup::create(wanted.over({}), policy);
    if (group == nullptr) return Failure{ExitCode::usage, "option policy=" + policy + ": there is no such policy"};
    if (wanted.cost && group->set_policy_parameter("cost", *wanted.cost) != Error::none) {
        return Failure{ExitCode::usage, "option cost=" + *wanted.cost + ": the policy " + policy + " has none"};
    }

    hold_s_ = wanted.hold_s.value_or(kDefaultHold);
    gate_ = std::make_shared<Gate>(std::move(group));
    gate_->set_longest_hold(hold_in_force(hold_s_));
    gate_->set_dying([this](pid_t tid) { return callers_->dying(tid); });
    return Done{};
}

Outcome<Done> DeviceService::compare(const DeviceRequest& wanted) {
    const InForce has = gate_->with([](DeviceGroup& group) {
        return InForce{group.io_throttle(),
                       group.io_limit(),
                       group.token_base(),
                       group.held_bytes_limit() / kMiB,
                       std::string(group.policy_name()),
                       std::string(group.policy_parameter("cost"))};
    });
    const bool other_rules = wanted.policy && !DeviceGroup::is_same_policy(*wanted.policy, has.policy);
    if (auto ok = same(name_, "io_throttle", wanted.io_throttle, has.io_throttle); !ok) return ok;
    // One that is below io_throttle was raised to that.
    const bool raised = wanted.io_limit && *wanted.io_limit < has.io_throttle && has.io_limit == has.io_throttle;
    if (auto ok = same(name_, "io_limit", raised ? std::nullopt : wanted.io_limit, has.io_limit); !ok) return ok;
    if (other_rules) return conflict(name_, "policy", *wanted.policy, has.policy);
    if (auto ok = same(name_, "cost", wanted.cost, has.cost); !ok) return ok;
    if (auto ok = same(name_, "token", wanted.token, has.token); !ok) return ok;
    if (auto ok = same(name_, "held_max", wanted.held_max_mib, has.held_max_mib); !ok) return ok;
    return same(name_, "hold", wanted.hold_s, hold_s_);
}

}  // namespace bandfs
