// band/fair_policy.h - the policy `fair`: weights that hold without tuning.
//
// PROBLEM
//
// Groups of callers share a disk by weight. Three things make that hard above the disk:
// 1. A synchronous reader has one unit at a time. Between two of them it looks idle, whoever else is there is served,
//    and 3:1 becomes 1:1. That is the rule, not the exception: most programs read that way.
// 2. What has been handed to the disk cannot be called back. Sixteen units in flight on a disk that does one at a time
//    are a queue in which weights mean nothing, and 52 ms of waiting at 3.3 ms each.
// 3. Holding units back so that 1 and 2 do not happen leaves the disk idle.
//
// MODEL AND STRATEGY: pieces, each in a file of its own
//
// Order (fair_order). A group g of weight w(g) has a start S(g): the virtual time at which the turn of its next unit
// begins. A unit of cost c moves it by c / w(g); F(g) = S(g) + c / w(g) is the finish of its next unit. Virtual time V
// is the mean of all S, weighted by w, over the groups that use the disk: it moves by c / W with each unit, W being the
// sum of their weights. A unit may go when its turn has begun (S <= V); of those that may, the one with the earliest F
// goes. So nobody runs ahead of its share by more than a unit, and a heavy group among many light ones is served
// evenly, not in one go.
//   Example: 40:20:10, units of 1. F is 0.025, 0.05, 0.1; the order is a b a c a b a, and again.
// A group that was idle joins at S = V: it has no claim to what it did not take. It goes first all the same, once,
// before groups that are not late, as long as no more than kCredits units have been given so: that is what makes an
// interactive program quick beside a hog, whatever its weight.
//
// Cost (fair_cost). Bytes, or the time that the disk is busy, fixed + bytes * per_byte, reads and writes apart, learnt
// from units that the disk had alone; where it does one at a time, what is charged is learnt from units that were there
// already when the one before was done (fair_batch), for the way there and back keeps the disk from nobody.
//   Example: 4 KiB and 128 KiB at 40 MB/s keep the disk for 0.10 and 3.28 ms, and take 0.16 and 3.34 alone: charged by
//   that, a group of the small ones gets 38 % of the disk's time in place of 50.
//
// Depth (fair_depth). How many units the disk works on at a time (its parallelism P) is measured: work done, in time
// that it would have taken alone, over time passed. At most 1.5 P + 0.75 units are in flight: 2 on a disk arm, 12 on
// eight lanes. io_limit bounds it. While one group has the disk to itself, to hold its units would be of no use but to
// somebody who comes: so many may be in flight then as take 2 ms, and io_throttle at least. So many may be as well
// while several groups have units waiting: then it is theirs that order is kept among, however many went before. But
// the group that should be next and has nothing here is to have its share of what is in flight, or others would fill
// the disk with what it could not send yet; and it stays at 1.5 P + 0.75 while somebody comes now and then. Who does so
// rarely, having been idle for 4 ms, waits for as many units as have the disk do 0.92 of what it does with 2 ms of
// them.
//   Example: 3 GB/s that is reached in 0.1 ms: P is 3, and 2 ms are 42 units of 128 KiB. With 5 in flight such a disk
//   did 1.2 GB/s, since each unit cost its own way there; with up to 42, 2.7; and beside somebody who reads 50 times a
//   second it is given 10 to 15 for 2.5.
//
// Anticipation (fair_think). A group whose last unit is done and that has always come back soon is *expected*, like one
// that has units in flight: it keeps its place in the order. When the unit that could go is one of a group that is
// behind an expected one in the order, it is held while the expected group would be slowed by it: while 1.3 P + 0.3
// units are in flight, or room for just one is left and somebody who thinks will want it. On a disk arm that means: not
// at all until the expected group has come, or its time is up, 2 ms at most. On a disk with many lanes it hardly ever
// means anything.
//   Example: two readers, 128 KiB, 40 MB/s (3.28 ms a unit), weights 3:1, 0.05 ms between an answer and the next
//   request. After a unit of the light one, the heavy one has three in a row; for two of them the disk waits 0.05 ms,
//   while the third thinks the light one is served. 0.1 of 13.2 ms: 75:25 at 99.2 % of the disk. Without depth and
//   anticipation: 50:50. Either alone does nothing: with two units in flight, neither reader ever waits here, so there
//   is no order to keep.
//
// Runs (fair_runs). Where seeks make it pay, the units of one request follow each other, up to kUnits of them. While it
// is only being tried whether that pays, a group that just woke goes first all the same.
//
// Debt. Units that pass out of turn (an fsync's) move S as all others do, so S can be far beyond V; that alone holds
// nobody whose units all pass. So whoever makes them has the group wait for a turn before it takes more work from it: a
// unit of no bytes that the order holds like any other, until V has reached S. in_debt() says when S is so far beyond V
// that no turn explains it.
//
// Limits (fair_limits). A floor is a right to be served whatever the order says, a ceiling a bar to it. A unit of c
// bytes is due c / floor seconds after the one before of its group was due, and free c / ceiling seconds after the one
// before was; who came late keeps at most kFloorSlack and kCeilingSlack of that. A floor is refused when all floors
// come to more than the disk is known to do; if they do later, each gets the same part of its own, 0.97 of the disk in
// all.
//   Example: min=24 MB/s, units of 128 KiB: one is due every 5.46 ms, before whatever the order says.
//
// Hierarchy (fair_kin). The children of a group share what it gets: with something to do, a child of weight w counts in
// the order as one of weight p * w / (the weights of its siblings that have something to do, and of the parent's own
// requests), p being what its parent is worth so. A floor is for the children, too: what the floors of those that have
// something to do leave of it is shared in the same way. So is a ceiling: each unit is charged to the ceilings of all
// groups above (fair_ceilings), and who has had more of one than its kin (by bytes over its part, counted from the
// start of who was served last, which no group is behind by more than kFloorSlack) comes after it, and waits up to
// kYield longer than the ceiling says, whether its kin are there or not.
//   Example: 300 and 100; the 100 has children of 30 and 10. The order has 300, 75 and 25.
//
// BOUNDS
//
// Starvation. The turn of a unit of c bytes of a group g begins when it comes, or the turn before it ends; it ends when
// the disk has been handed c * W / w(g) bytes more, W being all weights. Beyond its turn a unit waits for at most 1 +
// kCredits + kLagUnits = 25 units of the largest size, of all others together, however many there are. But where runs
// pay (disks that seek), for kUnits - 1 = 7 more of each other group, whose request may just run on: so for 60 in all
// beside five others, and for more beside more. (Holding those, too, to 64 in all was tried: beside 30 readers of 1 MiB
// on a disk that seeks for 1 to 12 ms it took 58 MB/s to 25, and so the light reader's p99 from 3.8 to 8.3 s.)
//   Let u be the unit, F its finish, and t the last time that a unit with a later finish was handed to the disk in its
//   turn while u's turn had not begun, or u's arrival. After t, only these go before u: a) units with finish <= F whose
//   turn began at V(t) or later: of each group j at most w(j) * (F - V(t)), together
//      W * (F - V(t)). Up to t, the disk was handed at most W * (V(t) - S(u)) since the turn of u began, since V moves
//      by at least cost / W. Both together are W * c / w(g): its turn;
//   b) units of groups that were expected and whose turn began before V(t): when such a group comes back its start is
//      moved up, so that all these claims together are at most kLagUnits units;
//   c) units of groups that just woke, with a later finish: each is counted as a credit until V has reached its finish,
//      and no more than kCredits are out at any time; when u is late none is given;
//   d) the unit that was handed to the disk at t, and the rest of its run.
//   While an expected group is more than kLagUnits behind (its unit is long in flight on a disk that has room for
//   others), V follows the earliest start in place of the mean, and a unit of each other group may come on top of that.
//   fair_property_test.cc looks for a counterexample; the worst of a million random schedules is 8.3 units.
// While the disk is held idle for an expected group (2 ms at most) nobody else gets it either: nothing is handed over.
// Floors, ceilings and units that pass aside (expedited, going down) are outside this bound.
//
// Waiting. The disk idles while units are held only for an expected group, and no longer than FairThink::kLongest; its
// patience is half of the disk time that the group had since it last came, so at most a third of the disk is lost to
// waiting.
//
// Cost. O(log n) for each unit: a group changes its place a bounded number of times for each of its units, and with kin
// O(depth) times that. Of all that wait for a ceiling in common only the first is looked at when one of its kin was
// served (fair_ceilings).
//
// HOW TO WATCH IT
//
// policy_figures(): depth and parallelism as found, waited_s, the seconds that the disk idled for expected groups, the
// model of each direction, bytes_per_second when the disk has enough to do, and the scale of the floors.
//
// SOURCES
//
// Start-time fair queueing (Goyal, Vin, Cheng 1996) and its use on disks with several units in flight (Jin, Chase, Kaur
// 2004); worst-case fair weighted queueing (Bennett, Zhang 1996); virtual time as a mean, and what a leaver is owed
// (Stoica and Abdel-Wahab, EEVDF, 1995); anticipatory scheduling (Iyer, Druschel 2001); floors and ceilings (Gulati,
// Merchant, Varman 2010); guaranteed rate (Goyal, Lam, Vin 1995); round trip and rate as the measure of depth (Jacobson
// 1988 and Cardwell et al. 2016, for networks).
#pragma once

#include <memory>

#include "band/policy.h"

namespace bandfs {

std::unique_ptr<Policy> make_fair_policy(const PolicyContext& context);

}  // namespace bandfs
