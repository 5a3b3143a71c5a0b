#include "simulation.h"

#include <algorithm>
#include <cmath>

namespace bandfs::sim {

Simulation::Simulation(const Scenario& scenario, const RunMode& mode)
    : scenario_(scenario), controlled_(mode.controlled), disk_(scenario.disk, scenario.seed) {
    DeviceGroupSettings settings;
    settings.io_throttle = scenario.io_throttle;
    settings.io_limit = scenario.io_limit;
    device_group_ = DeviceGroup::create(settings, scenario.policy);
    if (!device_group_)
        throw ScenarioError(scenario.file + ": no policy '" + scenario.policy + "', or a setting out of range");
    mount_ = std::make_unique<MountGroups>(*device_group_, kDefaultWeight);
    for (const ExpectSpec& expect : scenario.expectations)
        windows_.emplace_back(expect.from, expect.to, scenario.groups.size());
    windows_.emplace_back(scenario.warmup, scenario.duration, scenario.groups.size());
    make_groups();
    make_callers(mode);
    for (unsigned i = 0; i < scenario.changes.size(); ++i) schedule(scenario.changes[i].at, Event::Kind::change, i, 0);
}

Simulation::~Simulation() {
    // A run ends in the middle of things: let everything held go and everything issued be done.
    if (!controlled_) return;
    mount_->go_down();
    for (bool more = true; more;) {
        more = false;
        while (Unit* unit = device_group_->release_next(now_)) {
            static_cast<Piece*>(unit)->request = nullptr;
            more = true;
        }
        for (Piece& piece : pieces_) {
            if (piece.state != UnitState::issued) continue;
            device_group_->complete(piece, now_);
            more = true;
        }
    }
}

void Simulation::make_groups() {
    const auto require = [&](Error error, const std::string& what) {
        if (error != Error::none) throw ScenarioError(scenario_.file + ": " + what + " is refused");
    };
    if (!scenario_.cost.empty()) require(device_group_->set_policy_parameter("cost", scenario_.cost), "this cost");
    for (std::size_t i = 0; i < scenario_.groups.size(); ++i) {
        const GroupSpec& spec = scenario_.groups[i];
        if (spec.in_default) {
            require(device_group_->set_weight(mount_->default_group(), spec.weight), "the weight of " + spec.name);
            groups_.push_back(&mount_->default_group());
        } else {
            Group* const parent = spec.parent.empty() ? nullptr : groups_[scenario_.group_index(spec.parent)];
            require(mount_->attach(i + 1, spec.weight, parent), "group " + spec.name);
            groups_.push_back(mount_->find(i + 1));
        }
        if (spec.min) require(device_group_->set_floor(*groups_.back(), spec.min), "min of " + spec.name);
        if (spec.max) require(device_group_->set_ceiling(*groups_.back(), spec.max), "max of " + spec.name);
        has_ceiling_ |= spec.max != 0;
        turns_.add_group(static_cast<double>(spec.weight));
    }
    for (const ChangeSpec& spec : scenario_.changes) has_ceiling_ |= spec.max.has_value();
}

void Simulation::make_callers(const RunMode& mode) {
    std::uint64_t stream = 0;
    for (const CallerSpec& spec : scenario_.callers) {
        const std::uint64_t seed = scenario_.seed * 1'000'003 + stream;
        const std::uint64_t first_stream = stream;
        stream += spec.processes;
        if (!mode.only_group.empty() && spec.group != mode.only_group) continue;
        callers_.emplace_back(spec, scenario_, seed, first_stream);
        group_of_caller_.push_back(scenario_.group_index(spec.group));
        const auto index = static_cast<unsigned>(callers_.size() - 1);
        for (unsigned slot = 0; slot < callers_.back().slots(); ++slot)
            schedule(callers_.back().first_arrival(slot), Event::Kind::arrival, index, slot);
    }
}

void Simulation::schedule(TimeNs at, Event::Kind kind, unsigned index, unsigned slot) {
    if (at != kNever) events_.push({at, sequence_++, kind, index, slot});
}

void Simulation::run() {
    while (true) {
        const TimeNs event = events_.empty() ? kNever : events_.top().at;
        const TimeNs wake = controlled_ ? device_group_->wakes_at() : kNever;
        const TimeNs next = std::min({event, disk_.next_completion(), wake});
        if (next >= scenario_.duration) break;
        steps_at_once_ = next > now_ ? 0 : steps_at_once_ + 1;
        if (steps_at_once_ > 1'000'000) broken("time stands still");
        now_ = std::max(now_, next);
        step();
        if (controlled_) pump(), check();
    }
    now_ = scenario_.duration;
    note_idle();
    for (Window& window : windows_) {
        for (std::size_t i = 0; i < groups_.size(); ++i) window.group(i).excess_units = turns_.excess(i);
    }
}

void Simulation::step() {
    if (disk_.next_completion() <= now_) return finish(static_cast<Piece&>(disk_.take_completion()));
    if (events_.empty() || events_.top().at > now_) return;
    const Event event = events_.top();
    events_.pop();
    if (event.kind == Event::Kind::arrival) {
        arrive(event.index, event.slot);
    } else if (controlled_) {
        change(scenario_.changes[event.index]);
    }
}

void Simulation::arrive(unsigned caller, unsigned slot) {
    for (unsigned i = 0; i < callers_[caller].requests_at_once(); ++i) submit_request(caller, slot);
    if (callers_[caller].is_open())
        schedule(callers_[caller].next_arrival(slot, now_), Event::Kind::arrival, caller, slot);
}

void Simulation::submit_request(unsigned caller, unsigned slot) {
    const Demand demand = callers_[caller].ask(slot);
    const std::uint32_t unit = callers_[caller].unit();
    if (free_requests_.empty()) free_requests_.push_back(&requests_.emplace_back());
    Request& request = *free_requests_.back();
    free_requests_.pop_back();
    request = {caller, slot, now_, (demand.bytes + unit - 1) / unit};
    const std::size_t group = group_of_caller_[caller];
    for (std::uint32_t done = 0; done < demand.bytes; done += unit) {
        if (free_pieces_.empty()) free_pieces_.push_back(&pieces_.emplace_back());
        Piece& piece = *free_pieces_.back();
        free_pieces_.pop_back();
        piece.group = groups_[group];
        piece.group_index = group;
        piece.request = &request;
        piece.offset = demand.offset + done;
        piece.Unit::bytes = piece.DiskJob::bytes = std::min(unit, demand.bytes - done);
        piece.Unit::direction = piece.DiskJob::direction = demand.direction;
        turns_.arrived(group, piece.Unit::bytes);
        ++held_;
        if (!controlled_ || device_group_->admit(piece, now_) == Admission::immediate) issue(piece);
    }
}

void Simulation::change(const ChangeSpec& spec) {
    bool refused = false;
    const auto apply = [&](Error error) { refused |= error != Error::none; };
    if (spec.policy) apply(device_group_->set_policy(*spec.policy, now_));
    if (spec.cost) apply(device_group_->set_policy_parameter("cost", *spec.cost));
    if (!spec.group.empty()) {
        const std::size_t index = scenario_.group_index(spec.group);
        if (spec.weight) apply(device_group_->set_weight(*groups_[index], *spec.weight));
        if (spec.weight && !refused) turns_.set_weight(index, static_cast<double>(*spec.weight));
        if (spec.min) apply(device_group_->set_floor(*groups_[index], *spec.min));
        if (spec.max) apply(device_group_->set_ceiling(*groups_[index], *spec.max));
    }
    if (refused != spec.refused) broken(refused ? "a change was refused" : "a change was not refused");
}

void Simulation::pump() {
    while (Unit* unit = device_group_->release_next(now_)) issue(static_cast<Piece&>(*unit));
}

void Simulation::issue(Piece& piece) {
    --held_;
    ++issued_;
    turns_.issued(piece.group_index, piece.Unit::bytes);
    disk_.submit(piece, now_);
}

void Simulation::finish(Piece& piece) {
    --issued_;
    ++units_done_;
    if (controlled_) device_group_->complete(piece, now_);
    Request& request = *piece.request;
    const bool answered = --request.pieces == 0;
    for (Window& window : windows_) {
        if (!window.covers(now_)) continue;
        GroupMeasure& group = window.group(piece.group_index);
        group.bytes += piece.Unit::bytes;
        ++group.units;
        group.disk_time += piece.service;
        if (answered) group.latency.add(now_ - request.arrived);
    }
    free_pieces_.push_back(&piece);
    if (!answered) return;
    free_requests_.push_back(&request);
    VirtualCaller& caller = callers_[request.caller];
    if (!caller.is_open())
        schedule(caller.next_after_answer(request.slot, now_), Event::Kind::arrival, request.caller, request.slot);
}

void Simulation::check() {
    if (device_group_->issued() != issued_ || device_group_->blocked() != held_) broken("a unit is lost");
    if (!disk_.idle() || held_ == 0) return note_idle();
    if (idle_since_ == kNever) idle_since_ = now_;
    const TimeNs wake = device_group_->wakes_at();
    if (wake == kNever) broken("units are held for ever");
    if (!has_ceiling_ && wake - now_ > kLongestWait) broken("the disk idles longer than any anticipation");
}

void Simulation::note_idle() {
    if (idle_since_ == kNever) return;
    for (Window& window : windows_) window.add_idle(idle_since_, now_);
    idle_since_ = kNever;
}

void Simulation::broken(const std::string& what) const {
    throw InvariantError(scenario_.file + ": invariant broken at " + std::to_string(static_cast<double>(now_) / 1e9) +
                         " s: " + what + " (held " + std::to_string(held_) + ", issued " + std::to_string(issued_) +
                         ")");
}

}  // namespace bandfs::sim
