// band/fair_kin.cc - the hierarchy of the policy `fair`.
#include "band/fair_kin.h"

#include <utility>

namespace bandfs {

void FairKin::join(double weight) noexcept {
    busy_weight_ += weight;
    if (members_++ == 0 && parent_) parent_->join(weight_);
}

void FairKin::leave(double weight) noexcept {
    busy_weight_ -= weight;
    if (--members_ > 0) return;
    busy_weight_ = 0;  // what rounding has left
    if (parent_) parent_->leave(weight_);
}

void FairKin::set_busy(bool busy) noexcept {
    if (busy == busy_) return;
    busy_ = busy;
    if (busy) {
        join(weight_);
    } else {
        leave(weight_);
    }
}

void FairKin::set_weight(double weight) noexcept {
    if (busy_) busy_weight_ += weight - weight_;
    if (members_ > 0 && parent_) parent_->busy_weight_ += weight - weight_;
    weight_ = weight;
}

double FairKin::effective() const noexcept {
    double part = weight_ / (busy_ ? busy_weight_ : busy_weight_ + weight_);
    for (const FairKin* node = this; node->parent_; node = node->parent_.get()) {
        const FairKin& parent = *node->parent_;
        part *= node->weight_ / (node->members_ > 0 ? parent.busy_weight_ : parent.busy_weight_ + node->weight_);
        if (!parent.parent_) return part * parent.weight_;
    }
    return part * weight_;
}

}  // namespace bandfs
