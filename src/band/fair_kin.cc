// band/fair_kin.cc - the hierarchy of the policy `fair`.
#include "band/fair_kin.h"

#include <limits>
#include <utility>

namespace bandfs {
namespace {

constexpr double kLeastFloor = 1e-3;  // bytes per second

}  // namespace

void FairKin::join(double weight, double floor) noexcept {
    busy_weight_ += weight;
    busy_floor_ += floor;
    if (members_++ == 0 && parent_) parent_->join(weight_, claimed());
}

void FairKin::leave(double weight, double floor) noexcept {
    busy_weight_ -= weight;
    busy_floor_ -= floor;
    if (--members_ > 0) return;
    busy_weight_ = 0;  // what rounding has left
    if (parent_) parent_->leave(weight_, claimed());
}

void FairKin::set_busy(bool busy) noexcept {
    if (busy == busy_) return;
    busy_ = busy;
    if (busy) {
        join(weight_, 0);
    } else {
        leave(weight_, 0);
    }
}

void FairKin::set_weight(double weight) noexcept {
    if (busy_) busy_weight_ += weight - weight_;
    if (members_ > 0 && parent_) parent_->busy_weight_ += weight - weight_;
    weight_ = weight;
}

double FairKin::part() const noexcept {
    return weight_ / (members_ > 0 ? parent_->busy_weight_ : parent_->busy_weight_ + weight_);
}

double FairKin::effective() const noexcept {
    double worth = own_part();
    const FairKin* node = this;
    for (; node->parent_; node = node->parent_.get()) worth *= node->part();
    return worth * node->weight_;
}

double FairKin::set_floor(double floor) noexcept {
    double change = -claimed();
    floor_ = floor;
    change += claimed();
    for (const FairKin* node = this; node->parent_ && change != 0; node = node->parent_.get()) {
        FairKin& parent = *node->parent_;
        const double before = parent.claimed();
        parent.children_floor_ += change;
        if (node->members_ > 0) parent.busy_floor_ += change;
        change = parent.claimed() - before;
    }
    return change;
}

double FairKin::guaranteed() const noexcept {
    if (!parent_) return claimed();
    const double others = members_ > 0 ? parent_->busy_floor_ - claimed() : parent_->busy_floor_;
    return claimed() + part() * std::max(0.0, parent_->guaranteed() - others - claimed());
}

double FairKin::ceiling_above() const noexcept {
    return parent_ ? part() * parent_->allowed() : std::numeric_limits<double>::infinity();
}

double FairKin::allowed() const noexcept {
    return ceiling_ > 0 ? std::min(ceiling_, ceiling_above()) : ceiling_above();
}

double FairKin::own_floor() const noexcept {
    const double all = guaranteed();
    return all > 0 ? std::max(kLeastFloor, own_part() * (all - busy_floor_)) : 0;
}

}  // namespace bandfs
