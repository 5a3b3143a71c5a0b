// band-replay FILE... - replays event sequences through the policy `weight` and compares its answers with the recorded
// ones.
//
// A line is `EVENT => ANSWER | STATE`; blanks at its end do not count, so that it may end as DOS has it, and lines that
// are empty or begin with # are passed over. Numbers are decimal. Events:
//     map UNIT GROUP r|w SECTORS      immediate | held
//     end UNIT                        released UNIT... | released -
//     attach ID, weight ID:W, token ID:N, io_throttle N, io_limit N, resume, reset
//                                     ok | EINVAL | EEXIST
//     detach ID                       released ... | EINVAL
//     suspend                         released ...
//     status                          per group: ID, then requests, deferred, sectors for reads and for writes; ` ; `
//     between
// GROUP is an id or `default`; an id that is not attached means the default group, and so do 0 and `default` in
// messages.
//
// Prints the same lines with its own answers. Exit code 0: all equal. 1: the first difference, told on standard error.
// 2: a file cannot be read or has no event, a line is malformed, or the answers cannot be written.
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bandfs/device_group.h"

namespace bandfs {
namespace {

constexpr int kDiffers = 1;
constexpr int kMalformed = 2;
constexpr std::string_view kArrow = " => ";
constexpr std::string_view kBlanks = " \t\r";
constexpr std::uint32_t kMostSectors = UINT32_MAX / kSectorBytes;
/// Of a malformed line, that is shown.
constexpr std::size_t kShown = 200;

/// A line that is no event: not an answer of the scheduler, the file is wrong.
struct Malformed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

template <typename Number>
std::optional<Number> parse(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return number;
}

std::vector<std::string> words_of(std::string_view text) {
    std::istringstream in{std::string(text)};
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

std::string_view name_of(Error error) {
    switch (error) {
        case Error::none:
            return "ok";
        case Error::invalid:
            return "EINVAL";
        case Error::exists:
            return "EEXIST";
        case Error::busy:
            return "EBUSY";
    }
    return "?";
}

/// A device group with one mount, fed with events as text.
class Replay {
public:
    /// The answer to an event, as a vector has it: what follows the arrow.
    std::string answer(std::string_view event) {
        ++now_;
        const std::vector<std::string> words = words_of(event);
        if (words.empty()) throw Malformed("no event");
        const std::string answer = answer_to(words);
        return answer + " | " + state();
    }

private:
    using Words = std::vector<std::string>;

    std::string answer_to(const Words& words) {
        const std::string& verb = words[0];
        const auto takes = [&](std::size_t arguments) {
            if (words.size() != arguments + 1) {
                throw Malformed(verb + " takes " + std::to_string(arguments) + " argument(s)");
            }
        };
        if (verb == "map") return takes(4), map(words);
        if (verb == "end") return takes(1), end(words[1]);
        if (verb == "status") return takes(0), status();
        if (verb == "suspend") return takes(0), device_->suspend(), released();
        if (verb == "resume") return takes(0), device_->resume(), "ok";
        if (verb == "reset") return takes(0), device_->reset_statistics(), "ok";
        if (verb == "detach") return takes(1), detach(words[1]);
        if (verb == "attach" || verb == "weight" || verb == "token" || verb == "io_throttle" || verb == "io_limit") {
            return takes(1), std::string(name_of(message(verb, words[1])));
        }
        throw Malformed("unknown event " + verb);
    }

    std::string map(const Words& words) {
        const auto number = parse<std::uint64_t>(words[1]);
        const auto sectors = parse<std::uint32_t>(words[4]);
        const bool is_read = words[3] == "r";
        if (!number) throw Malformed("map takes UNIT GROUP r|w SECTORS, and " + words[1] + " is no unit");
        if (!is_read && words[3] != "w") throw Malformed(words[3] + " is neither r nor w");
        if (!sectors || *sectors > kMostSectors) {
            throw Malformed(words[4] + " is no number of sectors, which go to " + std::to_string(kMostSectors));
        }
        Unit& unit = units_[*number];
        if (unit.state != UnitState::idle) throw Malformed("unit " + words[1] + " is held or in flight already");
        unit.group = &group_for(words[2]);
        unit.bytes = *sectors * kSectorBytes;
        unit.direction = is_read ? Direction::read : Direction::write;
        numbers_[&unit] = *number;
        return device_->admit(unit, now_) == Admission::immediate ? "immediate" : "held";
    }

    Group& group_for(const std::string& name) {
        if (name == "default") return mount_.default_group();
        const auto id = parse<std::int64_t>(name);
        if (!id) throw Malformed("no group " + name);
        return *id <= 0 ? mount_.default_group() : mount_.for_id(static_cast<GroupId>(*id));
    }

    std::string end(const std::string& name) {
        const auto number = parse<std::uint64_t>(name);
        if (!number) throw Malformed(name + " is no unit");
        const auto found = units_.find(*number);
        if (found == units_.end() || found->second.state != UnitState::issued) {
            throw Malformed("unit " + name + " is not in flight");
        }
        device_->complete(found->second, now_);
        return released();
    }

    std::string detach(const std::string& name) {
        const auto id = parse<std::int64_t>(name);
        if (!id || *id <= 0) return "EINVAL";
        const Error error = mount_.detach(static_cast<GroupId>(*id), now_, nullptr);
        return error == Error::none ? released() : std::string(name_of(error));
    }

    Error message(const std::string& verb, const std::string& argument) {
        if (verb == "weight" || verb == "token") return set(verb, argument);
        const auto number = parse<std::int64_t>(argument);
        if (!number || *number <= 0) return Error::invalid;
        const auto value = static_cast<std::uint64_t>(*number);
        if (verb == "attach") return mount_.attach(value, kDefaultWeight);
        return verb == "io_throttle" ? device_->set_io_throttle(value) : device_->set_io_limit(value);
    }

    /// weight and token: [ID:]N, with = for : as well.
    Error set(const std::string& verb, const std::string& argument) {
        const std::size_t colon = argument.find_first_of(":=");
        const std::string id = colon == std::string::npos ? "default" : argument.substr(0, colon);
        const auto value = parse<std::int64_t>(colon == std::string::npos ? argument : argument.substr(colon + 1));
        Group* group = nullptr;
        if (id == "default" || id == "0") {
            group = &mount_.default_group();
        } else if (const auto number = parse<std::int64_t>(id); number && *number > 0) {
            group = mount_.find(static_cast<GroupId>(*number));
        }
        if (group == nullptr || !value || *value <= 0) return Error::invalid;
        const auto wanted = static_cast<std::uint64_t>(*value);
        return verb == "weight" ? device_->set_weight(*group, wanted) : device_->set_token_base(wanted);
    }

    std::string released() {
        std::string list = "released";
        bool any = false;
        while (const Unit* unit = device_->release_next(now_)) {
            list += ' ' + std::to_string(numbers_.at(unit));
            any = true;
        }
        return any ? list : list + " -";
    }

    static std::string id_of(const Group& group) { return group.is_default() ? "default" : std::to_string(group.id()); }

    std::string status() const {
        std::string text;
        mount_.for_each([&](const Group& group) {
            text += (text.empty() ? "" : " ; ") + id_of(group);
            for (const Direction direction : {Direction::read, Direction::write}) {
                const DirectionStatistics& counts = group.statistics().of(direction);
                for (const std::uint64_t count : {counts.requests, counts.deferred, counts.sectors}) {
                    text += ' ' + std::to_string(count);
                }
            }
        });
        return text;
    }

    std::string state() const {
        std::string text =
            "epoch=" + std::to_string(device_->epoch()) + " issued=" + std::to_string(device_->issued()) +
            " blocked=" + std::to_string(device_->blocked()) + " plugged=" + (device_->plugged() ? '1' : '0');
        mount_.for_each([&](const Group& group) {
            text +=
                ' ' + id_of(group) + ':' + std::to_string(group.tokens()) + '/' + std::to_string(group.token_init());
        });
        return text;
    }

    /// Ends what the sequence left held or in flight, so that its groups may go.
    void drain() {
        device_->suspend();
        while (device_->release_next(now_) != nullptr) continue;
        for (auto& [number, unit] : units_) {
            if (unit.state == UnitState::issued) device_->complete(unit, now_);
        }
    }

    struct Drain {
        Replay& replay;
        ~Drain() { replay.drain(); }
    };

    TimeNs now_ = 0;
    std::unordered_map<std::uint64_t, Unit> units_;
    std::unordered_map<const Unit*, std::uint64_t> numbers_;
    std::unique_ptr<DeviceGroup> device_ = DeviceGroup::create({}, "weight");
    MountGroups mount_{*device_, kDefaultWeight};
    Drain drain_{*this};
};

int unreadable(const std::string& name, const std::string& reason) {
    std::cerr << name << ": cannot be read: " << reason << '\n';
    return kMalformed;
}

int replay_file(const std::string& name) {
    std::ifstream in(name);
    if (!in) return unreadable(name, std::strerror(errno));
    Replay replay;
    std::size_t number = 0;
    bool any = false;
    for (std::string line; std::getline(in, line);) {
        ++number;
        line.erase(line.find_last_not_of(kBlanks) + 1);
        const std::size_t begin = line.find_first_not_of(kBlanks);
        if (begin == std::string::npos || line[begin] == '#') {
            std::cout << line << '\n';
            continue;
        }
        any = true;
        const std::size_t arrow = line.find(kArrow);
        try {
            if (arrow == std::string::npos) throw Malformed("no => in the line");
            const std::string event = line.substr(0, arrow);
            const std::string wanted = line.substr(arrow + kArrow.size());
            const std::string got = replay.answer(event);
            std::cout << event << kArrow << got << '\n';
            if (got != wanted) {
                std::cerr << name << ':' << number << ": " << event << "\n  wanted: " << wanted << "\n  got:    " << got
                          << '\n';
                return kDiffers;
            }
        } catch (const Malformed& malformed) {
            std::cerr << name << ':' << number << ": " << malformed.what() << ": " << line.substr(0, kShown) << '\n';
            return kMalformed;
        }
    }
    if (in.bad()) return unreadable(name, std::strerror(errno));
    return any ? 0 : unreadable(name, "there is no event in it");
}

}  // namespace
}  // namespace bandfs

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: band-replay FILE...\n";
        return bandfs::kMalformed;
    }
    for (int i = 1; i < argc; ++i) {
        const int code = bandfs::replay_file(argv[i]);
        if (code != 0) return code;
    }
    if (!std::cout.flush()) {
        std::cerr << "the answers cannot be written\n";
        return bandfs::kMalformed;
    }
    return 0;
}
