// band/fair_depth.h - policy `fair`, the depth: how many units the disk needs in flight for its speed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "bandfs/unit.h"

namespace bandfs {

/// Finds how many units the disk works on at the same time (its parallelism) and from that how many to keep in flight.
///
/// In a span of time in which units were waiting, the disk did work that would have taken it A seconds one by one, in B
/// seconds: so it worked on A / B units at a time, its pace. The second best pace of the last kSpans spans is the
/// parallelism. One disk arm: 1, however many units it is handed; a flash disk with 8 channels: up to 8, if it is
/// handed so many. limit() is a half and one unit more (2 for one lane, 12 for eight), so a parallelism that is larger
/// than thought shows itself, and the next unit is there when one is done.
///
/// What a unit takes alone has to be known (fair_cost.h) and kept up to date: now and then probing() asks for units one
/// at a time, kProbes of them every kProbeEvery.
///
/// Two things are not seen that way: a disk that becomes faster when it may choose among many units (an arm that
/// sorts), and a second lane when nobody may use it. So there are trials: for one span twice as many units are allowed
/// (a stretch), or fewer (a shrink); if the pace is clearly better, or no worse, that stays. A trial that came to
/// nothing is repeated after four times the time, from kTrialFirst to kTrialLast; the time runs kShallowFactor times
/// slower while somebody is there who asks now and then and for whom each unit in flight is a longer wait, unless the
/// disk works on most of what it is handed.
///
/// What a unit takes alone may also be much less than what it takes among others: where each has a way through
/// processors that all of them use, 5 units in flight had the disk work 42 % of the time, and 12 of them 90. So while
/// all who ask now and then do so rarely, enough() is sought: units with which the pace is nearly that of
/// backlog_limit() in flight, which is looked at for a span, now and then.
///
/// No clock. Not thread-safe. Every call O(1).
class FairDepth {
public:
    static constexpr unsigned kSpans = 8;
    static constexpr TimeNs kSpanAtLeast = 20'000'000, kSpanAtMost = 1'000'000'000;
    static constexpr unsigned kSpanUnits = 32;
    static constexpr unsigned kProbes = 4, kFirstProbes = 16;
    static constexpr TimeNs kProbeEvery = 4'000'000'000;
    static constexpr TimeNs kTrialFirst = 500'000'000, kTrialLast = 64'000'000'000;
    static constexpr int kShallowFactor = 16;
    static constexpr TimeNs kShallowFor = 500'000'000;
    static constexpr TimeNs kBacklog = 2'000'000;
    static constexpr TimeNs kRarely = 2 * kBacklog;  ///< who was idle for so long is hardly slowed by that
    static constexpr TimeNs kLookFirst = 250'000'000, kLookLast = 4'000'000'000;

    /// Up to now so many units were in flight, and some were held or none. To be called before either changes.
    void passed(TimeNs now, unsigned in_flight, bool some_held) noexcept {
        const TimeNs length = now - last_;
        if (length == 0) return;
        last_ = now;
        if (in_flight == 0) return;
        busy_ += length;
        in_flight_time_ += length * in_flight;
        if (some_held) pressed_ += length;
    }
    /// A unit begins that takes the disk so long when it is alone.
    void issued(double disk_time) noexcept {
        if (disk_time <= longest_) return;
        longest_ = disk_time;
        backlog_limit_ = std::min(backlog_limit_, units_of_backlog());
    }
    /// A unit is done that takes the disk so long when it is alone; it was alone now, or not.
    void completed(double disk_time, std::uint32_t bytes, bool alone, TimeNs now) noexcept {
        worked_ += disk_time;
        bytes_ += bytes;
        ++units_;
        if (probing() ? alone : span_is_full(now)) end_span(now);
    }

    /// Somebody came who is not there all the time, while others waited, and was idle for so long before.
    void keep_shallow(TimeNs now, TimeNs idle) noexcept {
        shallow_until_ = now + kShallowFor;
        if (idle < kRarely) often_until_ = shallow_until_;
    }

    /// How much slower the disk is than its units' times alone say: 1, or more when it is throttled or shared.
    double slowdown() const noexcept { return slowdown_; }
    /// What the disk did in spans in which units waited, smoothed; 0: not known yet.
    double bytes_per_second() const noexcept { return rate_; }
    double parallelism() const noexcept { return parallelism_; }
    /// Units in flight at most.
    unsigned limit() const noexcept { return limit_; }
    /// So many units, as long as the longest of late, take kBacklog: no more have to be held than would keep a newcomer
    /// waiting, while one group is alone or all have units waiting.
    unsigned backlog_limit() const noexcept { return backlog_limit_; }
    /// So many units in flight hardly slow each other.
    unsigned spare() const noexcept { return spare_; }
    bool probing() const noexcept { return probes_left_ > 0; }
    /// Whether somebody is there who is not there all the time, for whom each unit in flight is a longer wait.
    bool shallow(TimeNs now) const noexcept { return now < shallow_until_; }
    /// The same, and all of those ask rarely: they wait a little longer for so many units, and the disk is used.
    bool rarely(TimeNs now) const noexcept { return shallow(now) && now >= often_until_; }
    unsigned enough() const noexcept { return std::min(static_cast<unsigned>(enough_), backlog_limit_); }

private:
    /// What the open span is for.
    enum class Span : std::uint8_t { usual, probe, stretch, shrink, look };
    struct Trial {
        TimeNs since = 0, every = kTrialFirst;
        void failed(TimeNs now) noexcept;
        void worked(TimeNs now) noexcept;
    };

    bool span_is_full(TimeNs now) const noexcept {
        const TimeNs length = now - began_;
        return (length >= kSpanAtLeast && units_ >= kSpanUnits) || length >= kSpanAtMost;
    }
    void end_span(TimeNs now) noexcept;
    void close_span(TimeNs now) noexcept;
    void judge(double pace, double depth, TimeNs now) noexcept;
    void learn_full_pace(double pace) noexcept;
    void seek_enough(double pace, double depth) noexcept;
    void open_span(TimeNs now) noexcept;
    unsigned units_of_backlog() const noexcept;
    double usual_limit() const noexcept;
    double limit_of_span() const noexcept;
    double spare_of_span() const noexcept;

    // What is asked for each unit; changes only between spans, but for backlog_limit_, which long units lower at once.
    unsigned limit_ = 1, spare_ = 1, backlog_limit_ = 1;
    double slowdown_ = 1;

    double parallelism_ = 1;
    double usual_pace_ = 0;   ///< of the usual spans in which units waited, smoothed; 0: none yet
    double usual_noise_ = 0;  ///< part by which they differ from it
    double any_pace_ = 1;     ///< of all spans, smoothed
    double rate_ = 0;         ///< bytes per second
    double stretched_ = 1;    ///< limit that a trial found to be worth it
    std::array<double, kSpans> found_{};
    unsigned next_found_ = 0;
    unsigned probes_left_ = kFirstProbes;
    TimeNs next_probe_ = 0;
    Trial stretch_, shrink_;
    TimeNs shallow_until_ = 0, often_until_ = 0;
    double enough_ = 1;
    double full_pace_ = 0;  ///< with backlog_limit() in flight, smoothed; 0: not known
    TimeNs next_look_ = 0, look_every_ = kLookFirst;

    // The span that is open.
    Span span_ = Span::probe;
    TimeNs last_ = 0, began_ = 0, busy_ = 0, pressed_ = 0, in_flight_time_ = 0;
    std::uint64_t bytes_ = 0;
    double worked_ = 0, longest_ = 0;
    unsigned units_ = 0;
};

}  // namespace bandfs
