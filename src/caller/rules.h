// caller/rules.h - the ordered rules of group type `rules`: by what a caller is and what it asks for, into named
// groups.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "caller/group_type.h"
#include "caller/resolver.h"

namespace bandfs {

/// Rules of one mount, at most; what is kept of a caller is a bit for each.
inline constexpr std::size_t kMostRules = 64;
/// Of the list as it is written, in bytes: what one write to a control file can be.
inline constexpr std::size_t kLongestRules = 4096;

/// A rule applies to a caller who fulfils all its conditions; one without conditions applies to everybody. In a glob
/// `*` stands for any characters, slashes among them, `?` for one and `[...]` for one of some.
struct Rule {
    std::string group;  ///< its name
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::optional<std::string> cgroup;   ///< glob over the path of the caller's cgroup, as in /proc/PID/cgroup
    std::optional<std::string> program;  ///< glob over the name of the caller's program, at most 15 bytes of it
    std::optional<std::string> path;     ///< glob over the file's path below SOURCE, "/" in front

    bool asks_task() const { return cgroup || program; }
};

/// A group's name: 1 to 64 letters, digits, '.', '_', '-' and '@', beginning with a letter; not `default` or `none`.
/// EINVAL with the reason otherwise.
Parsed<std::uint64_t> rule_group_id(std::string_view name);
/// The name of a group that was kept; its number when it was not.
std::string rule_group_name(std::uint64_t id);
/// Has rule_group_name() know it. Called for groups that somebody made who may: names are kept for ever.
void keep_rule_group(std::string_view name);

/// A list of rules in order; the first that applies counts. Immutable, but for what it remembers of callers.
class RuleList {
public:
    RuleList() = default;
    /// At most kMostRules.
    explicit RuleList(std::vector<Rule> rules);

    const std::vector<Rule>& rules() const { return rules_; }
    bool empty() const { return rules_.empty(); }
    bool asks_task() const { return asks_task_; }
    bool asks_path() const { return asks_path_; }
    /// Which list this is, from 1, for what is remembered of callers: of 255 lists made in a row no two have the same.
    std::uint8_t number() const { return number_; }

    /// A bit for each rule whose cgroup and program conditions hold, by the rule's place.
    std::uint64_t match_task(std::string_view cgroup, std::string_view program) const;
    /// The id of the group of the first rule that applies. `task` is of match_task(); nullopt: nothing is known of the
    /// caller's process. `path` is empty when the file's is not known.
    std::optional<std::uint64_t> first(const CallerIds& caller, std::optional<std::uint64_t> task,
                                       std::string_view path) const;

private:
    std::vector<Rule> rules_;
    std::vector<std::uint64_t> ids_;  ///< of the rules' groups
    bool asks_task_ = false;
    bool asks_path_ = false;
    std::uint8_t number_ = 0;
};

/// The list in force of a mount. Thread-safe.
class RuleSlot {
public:
    /// nullptr: there has never been one.
    std::shared_ptr<const RuleList> get() const {
        const std::lock_guard lock(mutex_);
        return rules_;
    }
    void set(std::shared_ptr<const RuleList> rules) {
        const std::lock_guard lock(mutex_);
        rules_.swap(rules);
    }

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const RuleList> rules_;  ///< guarded by mutex_
};

/// Rules as a message or control file has them: one a line, or with ';' between them,
///   GROUP [uid=USER] [gid=GROUP] [cgroup=GLOB] [program=GLOB] [path=GLOB]
/// `?` stands for a blank in a glob. EINVAL with a reason that names the rule.
Parsed<std::shared_ptr<const RuleList>> parse_rules(std::string_view text);
/// The same from values: one condition, by name ("uid"). Empty when it was taken, the reason otherwise.
std::string set_condition(Rule& rule, std::string_view name, std::string_view value);
/// As parse_rules() reads it, a line each.
std::string rules_text(const RuleList& rules);
std::string rule_text(const Rule& rule);

}  // namespace bandfs
