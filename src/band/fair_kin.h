// band/fair_kin.h - policy `fair`, hierarchy: what a group's weight is worth among its kin.
#pragma once

#include <memory>

namespace bandfs {

/// A group that has a parent or children, as a node of their tree.
///
/// What a group gets is shared by its children that have something to do, by their weights; the units of its own take
/// part with its own weight. effective() is the weight that gives the same without a tree: the order (fair_order.h)
/// stays flat.
///   Example: A (100) with children A0 and A1 (100 each) beside B (300): 50, 50 and 300 while all are busy; when A1 has
///   nothing to do, A0 has 100.
///
/// Not thread-safe. O(depth) per call.
class FairKin {
public:
    FairKin(double weight, std::shared_ptr<FairKin> parent) : weight_(weight), parent_(std::move(parent)) {}
    ~FairKin() { set_busy(false); }
    FairKin(const FairKin&) = delete;
    FairKin& operator=(const FairKin&) = delete;

    void set_weight(double weight) noexcept;
    /// Whether the group itself (not its children) has something to do.
    void set_busy(bool busy) noexcept;
    /// Weight of the group's own units beside groups without a parent.
    double effective() const noexcept;

private:
    void join(double weight) noexcept;
    void leave(double weight) noexcept;

    double weight_;
    bool busy_ = false;
    unsigned members_ = 0;    ///< busy: itself and its children
    double busy_weight_ = 0;  ///< of these
    std::shared_ptr<FairKin> parent_;
};

}  // namespace bandfs
