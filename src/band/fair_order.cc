// band/fair_order.cc - the order of the policy `fair`.
#include "band/fair_order.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace bandfs {
namespace {

constexpr double kTicks = 1 << 20;          ///< virtual time units per unit of cost and weight
constexpr double kForget = 1 - 1.0 / 1024;  ///< of the largest cost, per unit

VirtualTime span_of(double cost, double weight) noexcept {
    return std::max<VirtualTime>(1, static_cast<VirtualTime>(cost * kTicks / weight));
}

bool in_turn(FairPlace place) noexcept {
    return place == FairPlace::ready || place == FairPlace::woken || place == FairPlace::expected;
}

}  // namespace

void FairOrder::enter(FairNode& node, FairPlace place) noexcept {
    const bool ahead = node.start > now_;
    switch (place) {
        case FairPlace::woken:
        case FairPlace::ready:
        case FairPlace::ready_ahead:
            node.place = ahead ? FairPlace::ready_ahead : place == FairPlace::woken ? place : FairPlace::ready;
            break;
        case FairPlace::expected:
        case FairPlace::expected_ahead:
            node.place = ahead ? FairPlace::expected_ahead : FairPlace::expected;
            break;
        case FairPlace::lingering:
        case FairPlace::idle:
            node.place = place;
            break;
    }
    node.finish = node.start + span_of(node.cost, node.weight);
    switch (node.place) {
        case FairPlace::idle:
            break;
        case FairPlace::ready:
            ready_.insert(node);
            break;
        case FairPlace::woken:
            woken_.insert(node);
            break;
        case FairPlace::expected:
            expected_.insert(node);
            break;
        case FairPlace::ready_ahead:
            ready_ahead_.insert(node);
            break;
        case FairPlace::expected_ahead:
        case FairPlace::lingering:
            expected_ahead_.insert(node);
            break;
    }
}

void FairOrder::leave_tree(FairNode& node) noexcept {
    switch (node.place) {
        case FairPlace::idle:
            break;
        case FairPlace::ready:
            ready_.erase(ready_.iterator_to(node));
            break;
        case FairPlace::woken:
            woken_.erase(woken_.iterator_to(node));
            break;
        case FairPlace::expected:
            expected_.erase(expected_.iterator_to(node));
            break;
        case FairPlace::ready_ahead:
            ready_ahead_.erase(ready_ahead_.iterator_to(node));
            break;
        case FairPlace::expected_ahead:
        case FairPlace::lingering:
            expected_ahead_.erase(expected_ahead_.iterator_to(node));
            break;
    }
}

void FairOrder::leave_count(FairNode& node) noexcept {
    node.place = FairPlace::idle;
    ahead_ -= node.weight * static_cast<double>(node.start - now_);
    active_weight_ -= node.weight;
    if (--active_ == 0) active_weight_ = ahead_ = 0;  // what rounding has left
}

void FairOrder::join_count(FairNode& node) noexcept {
    ++active_;
    active_weight_ += node.weight;
    node.start = std::max(node.start, now_);
    ahead_ += node.weight * static_cast<double>(node.start - now_);
}

/// Virtual time has caught up with what the group was given before its turn.
void FairOrder::settle(FairNode& node) noexcept {
    if (!node.credited) return;
    node.credited = false;
    --credits_used_;
}

void FairOrder::set_ready(FairNode& node, double cost) noexcept {
    const FairPlace before = node.place;
    if (is_ready(before) && node.cost == cost) return;
    leave_tree(node);
    node.cost = cost;
    FairPlace place = FairPlace::ready;
    if (before == FairPlace::idle) {
        if (node.start <= now_) place = FairPlace::woken;
        join_count(node);
    } else if (before == FairPlace::woken) {
        place = FairPlace::woken;
    } else if (before == FairPlace::expected) {
        const VirtualTime claim_from = now_ - span_of(kLagUnits * largest_, active_weight_);
        if (node.start < claim_from) {
            ahead_ += node.weight * static_cast<double>(claim_from - node.start);
            node.start = claim_from;
        }
    }
    enter(node, place);
    follow_mean();
}

void FairOrder::set_expected(FairNode& node, double cost) noexcept {
    const FairPlace before = node.place;
    leave_tree(node);
    node.cost = cost;
    if (before == FairPlace::idle) join_count(node);
    enter(node, FairPlace::expected);
}

void FairOrder::set_idle(FairNode& node) noexcept {
    if (has_nothing_to_do(node.place)) return;
    leave_tree(node);
    if (in_turn(node.place)) {
        leave_count(node);
        follow_mean();
    } else {
        enter(node, FairPlace::lingering);
    }
}

void FairOrder::set_weight(FairNode& node, double weight) noexcept {
    // What it is ahead or behind stays the same in cost, so a new weight is neither a gift nor a fine.
    const FairPlace before = node.place;
    leave_tree(node);
    node.start = now_ + static_cast<VirtualTime>(static_cast<double>(node.start - now_) * (node.weight / weight));
    if (before != FairPlace::idle) active_weight_ += weight - node.weight;
    node.weight = weight;
    if (before == FairPlace::lingering && node.start <= now_) {
        settle(node);
        leave_count(node);
    } else {
        enter(node, before);
    }
    follow_mean();
}

void FairOrder::forget(FairNode& node) noexcept {
    leave_tree(node);
    settle(node);
    if (node.place != FairPlace::idle) leave_count(node);
    node.start = 0;
    follow_mean();
}

double FairOrder::ahead(const FairNode& node) const noexcept {
    return static_cast<double>(node.start - now_) * node.weight / kTicks;
}

FairNode* FairOrder::first_ready() const noexcept {
    const auto pointer = [](const auto& tree) {
        return tree.empty() ? nullptr
                            : const_cast<FairNode*>(&*tree.begin());  // the tree is const, its nodes are the owner's
    };
    FairNode* const ready = pointer(ready_);
    FairNode* const woken = pointer(woken_);
    if (ready == nullptr || woken == nullptr) return ready != nullptr ? ready : woken;
    if (ready->finish <= now_ || credits_used_ >= kCredits) return ready->finish <= woken->finish ? ready : woken;
    return woken;
}

FairNode* FairOrder::first_ahead() const noexcept {
    return ready_ahead_.empty() ? nullptr : const_cast<FairNode*>(&*ready_ahead_.begin());
}

FairNode* FairOrder::first_expected() const noexcept {
    return expected_.empty() ? nullptr : const_cast<FairNode*>(&*expected_.begin());
}

void FairOrder::serve(FairNode& node, double cost) noexcept {
    assert(!has_nothing_to_do(node.place));
    advance(node.start);
    const VirtualTime finish = node.start + span_of(cost, node.weight);
    const bool before_turn = node.place == FairPlace::woken && !ready_.empty() && ready_.begin()->finish < finish;
    if (before_turn && !node.credited && credits_used_ < kCredits) {
        node.credited = true;
        ++credits_used_;
    }
    charge(node, cost);
}

void FairOrder::serve_aside(FairNode& node, double cost) noexcept {
    if (has_nothing_to_do(node.place)) set_ready(node, cost);
    charge(node, cost);
}

void FairOrder::serve_by_right(FairNode& node, double cost) noexcept {
    if (has_nothing_to_do(node.place)) set_ready(node, cost);
    if (node.start > now_) {
        leave_tree(node);
        ahead_ -= node.weight * static_cast<double>(node.start - now_);
        node.start = now_;
        settle(node);
        enter(node, FairPlace::ready);
    }
    charge(node, cost);
}

void FairOrder::charge(FairNode& node, double cost) noexcept {
    leave_tree(node);
    const VirtualTime span = span_of(cost, node.weight);
    node.cost = cost;
    node.start += span;
    ahead_ += node.weight * static_cast<double>(span);
    largest_ = std::max(cost, largest_ * kForget);
    enter(node, FairPlace::expected);
    follow_mean();
    if (node.start <= now_) settle(node);
}

void FairOrder::follow_mean() noexcept {
    while (active_ > 0 && ahead_ >= active_weight_) advance(now_ + static_cast<VirtualTime>(ahead_ / active_weight_));
}

void FairOrder::advance(VirtualTime to) noexcept {
    if (to <= now_) return;
    ahead_ -= active_weight_ * static_cast<double>(to - now_);
    now_ = to;
    while (!ready_ahead_.empty() && ready_ahead_.begin()->start <= now_) {
        FairNode& node = *ready_ahead_.begin();
        ready_ahead_.erase(ready_ahead_.begin());
        settle(node);
        enter(node, FairPlace::ready);
    }
    while (!expected_ahead_.empty() && expected_ahead_.begin()->start <= now_) {
        FairNode& node = *expected_ahead_.begin();
        expected_ahead_.erase(expected_ahead_.begin());
        settle(node);
        if (node.place == FairPlace::lingering) {
            leave_count(node);
        } else {
            enter(node, FairPlace::expected);
        }
    }
}

}  // namespace bandfs
