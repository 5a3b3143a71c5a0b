// band/fair_kin.h - policy `fair`, hierarchy: what a group's weight and its floor are worth among its kin.
#pragma once

#include <algorithm>
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
/// A floor is for the group and its children together. What the floors of the children that have something to do leave
/// of it is shared like everything else: own_floor().
///   Example: A guaranteed 10 MB/s, A1 4 of them: A0 has 3 and A1 7 while both are busy, and A0 has 10 alone.
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

    /// What the group and its children are guaranteed, in bytes per second. Returns by how much that changes what all
    /// groups are guaranteed together: a child's is a part of its parent's, or has it grow.
    double set_floor(double floor) noexcept;
    /// What is guaranteed to the group's own units beside its kin that have something to do. Where all is their kin's
    /// it is next to nothing, and 0 only without any floor: it may become more without anybody's telling.
    double own_floor() const noexcept;

    /// What the group and its children get at most, in bytes per second; 0: no bound.
    void set_ceiling(double ceiling) noexcept { ceiling_ = ceiling; }
    /// The part of it, and of those above, that is for the group's own units beside its kin that have something to do;
    /// infinity when there is none.
    double own_ceiling() const noexcept { return own_part() * allowed(); }
    /// The part of those above that is for the group and its children together.
    double ceiling_above() const noexcept;

private:
    void join(double weight, double floor) noexcept;
    void leave(double weight, double floor) noexcept;
    /// The part of what its parent's children get that it would have, itself being busy.
    double part() const noexcept;
    double own_part() const noexcept { return weight_ / (busy_ ? busy_weight_ : busy_weight_ + weight_); }
    double claimed() const noexcept { return std::max(floor_, children_floor_); }
    /// Its floor and its part of what others leave of its parent's.
    double guaranteed() const noexcept;
    double allowed() const noexcept;

    double weight_;
    bool busy_ = false;
    unsigned members_ = 0;    ///< busy: itself and its children
    double busy_weight_ = 0;  ///< of these
    double ceiling_ = 0;
    double floor_ = 0;
    double children_floor_ = 0;  ///< of all children together
    double busy_floor_ = 0;      ///< of those that have something to do
    std::shared_ptr<FairKin> parent_;
};

}  // namespace bandfs
