// band/fair_order.cc - the order of the policy `fair`.
#include "band/fair_order.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <span>
#include <utility>

namespace bandfs {
namespace {

constexpr double kTicks = 1 << 20;          ///< virtual time units per unit of cost and weight
constexpr double kForget = 1 - 1.0 / 1024;  ///< of the largest cost, per unit

// Ranks have 60 bits. An era goes from kEraBegin to kEraEnd; what lies between 0 and its beginning is how far a group
// may be behind. A group that is further ahead than kLatest, or has a longer span, is taken to be there: at weight 1
// that are 256 GiB.
constexpr VirtualTime kEraBegin = VirtualTime{1} << 57, kEraEnd = 2 * kEraBegin;
constexpr VirtualTime kLatest = 2 * kEraEnd, kLongest = kEraEnd;
static_assert(kLatest + kLongest < VirtualTime{RankTree<1>::kEnd});

VirtualTime ticks_of(double cost, double weight) noexcept {
    return static_cast<VirtualTime>(std::clamp(cost * kTicks / weight, 1.0, static_cast<double>(kLongest)));
}

}  // namespace

void FairOrder::add(FairNode& node) {
    assert(node.place == FairPlace::idle);
    if (groups_ == nodes_.size()) {
        tree_.reserve(groups_ + 1);
        nodes_.push_back(nullptr);
        free_slots_.reserve(nodes_.capacity());  // so that nothing else allocates
    }
    ++groups_;
    node.span = ticks_of(node.cost, node.weight);
}

void FairOrder::remove(FairNode& node) noexcept {
    forget(node);
    --groups_;
}

/// Gives the node its place in the tree, which is `place`, ahead or not as its start says.
void FairOrder::enter(FairNode& node, FairPlace place) noexcept {
    const bool ahead = node.start > now_;
    Tree::Kind kind = kExpectedAhead;
    switch (place) {
        case FairPlace::idle:
        case FairPlace::served:
            node.place = place;
            return tree_.clear(node.slot);
        case FairPlace::woken:
            node.place = ahead ? FairPlace::ready_ahead : place;
            kind = ahead ? kReadyAhead : kWoken;
            break;
        case FairPlace::ready:
        case FairPlace::ready_ahead:
            node.place = ahead ? FairPlace::ready_ahead : FairPlace::ready;
            kind = ahead ? kReadyAhead : kReady;
            break;
        case FairPlace::expected:
        case FairPlace::expected_ahead:
            node.place = ahead ? FairPlace::expected_ahead : FairPlace::expected;
            kind = ahead ? kExpectedAhead : kExpected;
            break;
        case FairPlace::lingering:  // ahead, or it would be idle
            node.place = place;
            break;
    }
    tree_.set(node.slot, kind, static_cast<Tree::Rank>(ahead ? node.start : node.finish()));
}

void FairOrder::leave_count(FairNode& node) noexcept {
    enter(node, FairPlace::idle);
    nodes_[node.slot] = nullptr;
    free_slots_.push_back(node.slot);
    ahead_ -= node.weight * static_cast<double>(node.start - now_);
    active_weight_ -= node.weight;
    if (--active_ == 0) active_weight_ = ahead_ = 0;  // what rounding has left
}

void FairOrder::join_count(FairNode& node) noexcept {
    if (free_slots_.empty()) {
        node.slot = used_slots_++;
    } else {
        node.slot = free_slots_.back();
        free_slots_.pop_back();
    }
    nodes_[node.slot] = &node;
    ++active_;
    active_weight_ += node.weight;
    node.start = now_;
}

/// Of a counted node.
void FairOrder::move_start(FairNode& node, VirtualTime to) noexcept {
    to = std::clamp(to, VirtualTime{0}, kLatest);
    ahead_ += node.weight * static_cast<double>(to - node.start);
    node.start = to;
}

void FairOrder::set_ready(FairNode& node, double cost) noexcept {
    const FairPlace before = node.place;
    const bool other_cost = node.cost != cost;
    if (is_ready(before) && !other_cost) return;
    if (other_cost) {
        node.cost = cost;
        node.span = ticks_of(cost, node.weight);
    }
    FairPlace place = FairPlace::ready;
    if (before == FairPlace::idle) {
        place = FairPlace::woken;
        join_count(node);
    } else if (before == FairPlace::woken) {
        place = FairPlace::woken;
    } else if (node.start < now_ && before == FairPlace::expected) {
        const VirtualTime claim_from = now_ - ticks_of(kLagUnits * largest_, active_weight_);
        if (node.start < claim_from) move_start(node, claim_from);
    }
    enter(node, place);
    follow_mean();
}

void FairOrder::set_expected(FairNode& node, double cost) noexcept {
    const FairPlace before = node.place;
    if (node.cost != cost) {
        node.cost = cost;
        node.span = ticks_of(cost, node.weight);
    } else if (before == FairPlace::expected || before == FairPlace::expected_ahead) {
        return;
    }
    if (before == FairPlace::idle) join_count(node);
    enter(node, FairPlace::expected);
}

void FairOrder::set_idle(FairNode& node) noexcept {
    if (has_nothing_to_do(node.place)) return;
    if (node.start <= now_) {
        leave_count(node);
        follow_mean();
    } else {
        enter(node, FairPlace::lingering);
    }
}

void FairOrder::set_weight(FairNode& node, double weight) noexcept {
    const FairPlace before = node.place;
    const double old_weight = std::exchange(node.weight, weight);
    node.span = ticks_of(node.cost, weight);
    if (before == FairPlace::idle) return;
    // What it is ahead or behind stays the same in cost, so a new weight is neither a gift nor a fine.
    const double distance = static_cast<double>(node.start - now_);
    const double scaled = std::clamp(distance * (old_weight / weight), -double{kEraBegin}, double{kLatest - kEraEnd});
    ahead_ -= old_weight * distance;
    active_weight_ += weight - old_weight;
    node.start = now_;
    move_start(node, now_ + static_cast<VirtualTime>(scaled));
    if (before == FairPlace::lingering && node.start <= now_) {
        settle(node);
        leave_count(node);
    } else {
        enter(node, before);
    }
    follow_mean();
}

void FairOrder::forget(FairNode& node) noexcept {
    settle(node);
    if (node.place != FairPlace::idle) leave_count(node);
    follow_mean();
}

double FairOrder::ahead(const FairNode& node) const noexcept {
    if (node.place == FairPlace::idle) return 0;
    return static_cast<double>(node.start - now_) * node.weight / kTicks;
}

FairNode* FairOrder::first_ready() const noexcept {
    const Tree::Rank ready = tree_.least_rank(kReady), woken = tree_.least_rank(kWoken);
    if (woken == Tree::kNone) return first(kReady);
    if (ready == Tree::kNone) return first(kWoken);
    const bool may_wait = ready > static_cast<Tree::Rank>(now_) && credits_used_ < kCredits;
    return first(may_wait || woken < ready ? kWoken : kReady);
}

void FairOrder::serve(FairNode& node, double cost) noexcept {
    assert(!has_nothing_to_do(node.place));
    advance(node.start);
    if (node.place == FairPlace::woken && !node.credited && credits_used_ < kCredits) {
        const VirtualTime finish = node.start + ticks_of(cost, node.weight);
        if (tree_.least_rank(kReady) < static_cast<Tree::Rank>(finish)) {
            node.credited = true;
            ++credits_used_;
        }
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
        move_start(node, now_);
        settle(node);
    }
    charge(node, cost);
}

void FairOrder::charge(FairNode& node, double cost) noexcept {
    if (node.start > now_) tree_.clear(node.slot);
    node.place = FairPlace::served;
    const VirtualTime span = cost == node.cost ? node.span : ticks_of(cost, node.weight);
    if (cost > 0) {
        node.cost = cost;
        node.span = span;
    }
    move_start(node, node.start + span);
    largest_ = std::max(cost, largest_ * kForget);
    follow_mean();
    if (node.start <= now_) settle(node);
}

void FairOrder::advance(VirtualTime to) noexcept {
    if (to <= now_) return;
    ahead_ -= active_weight_ * static_cast<double>(to - now_);
    now_ = to;
    while (reached(kReadyAhead)) begin_turns();
    while (reached(kExpectedAhead)) {
        FairNode& node = *first(kExpectedAhead);
        settle(node);
        if (node.place == FairPlace::lingering) {
            leave_count(node);
        } else {
            enter(node, FairPlace::expected);
        }
    }
    if (now_ >= kEraEnd) begin_era();
}

/// Some of those that are ready and whose turn has begun: several, so that the cache fetches them at the same time.
void FairOrder::begin_turns() noexcept {
    std::array<FairNode*, 8> nodes;
    std::size_t count = 0;
    for (; count < nodes.size() && reached(kReadyAhead); ++count) {
        nodes[count] = first(kReadyAhead);
        __builtin_prefetch(nodes[count], 1);
        __builtin_prefetch(&nodes[count]->cost, 1);
        tree_.clear(tree_.least(kReadyAhead));
    }
    for (FairNode* const node : std::span(nodes).first(count)) {
        settle(*node);
        enter(*node, FairPlace::ready);
    }
}

void FairOrder::begin_era() noexcept {
    const VirtualTime passed = now_ - kEraBegin;
    for (FairNode* const node : nodes_) {
        if (node == nullptr || node->place == FairPlace::idle) continue;
        move_start(*node, std::max(node->start, passed));
        node->start -= passed;
    }
    now_ = kEraBegin;
    for (FairNode* const node : nodes_) {
        if (node != nullptr) enter(*node, node->place);
    }
}

}  // namespace bandfs
