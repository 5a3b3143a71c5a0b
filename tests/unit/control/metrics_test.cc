// The exposition follows the rules that promtool checks.
#include "control/metrics.h"

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "mount_fixture.h"

namespace bandfs {
namespace {

struct Sample {
    std::string name;
    std::map<std::string, std::string> labels;
    std::string value;
};

struct Family {
    std::string type;
    std::vector<Sample> samples;
};

/// `a="x",b="y"`, unescaped.
std::map<std::string, std::string> labels_of(const std::string& text) {
    std::map<std::string, std::string> labels;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t equals = text.find("=\"", at);
        const std::string name = text.substr(at, equals - at);
        EXPECT_TRUE(std::regex_match(name, std::regex("[a-z_][a-z0-9_]*"))) << name;
        std::string value;
        for (at = equals + 2; text.at(at) != '"'; ++at) {
            if (text[at] == '\\') {
                ++at;
                value += text[at] == 'n' ? '\n' : text[at];
            } else {
                value += text[at];
            }
        }
        EXPECT_TRUE(labels.emplace(name, value).second) << "label twice: " << name;
        if (++at == text.size()) break;
        EXPECT_EQ(text[at++], ',');
    }
    return labels;
}

Sample sample_of(const std::string& line) {
    std::smatch parts;
    EXPECT_TRUE(std::regex_match(line, parts, std::regex(R"re(([a-z][a-z0-9_]*)\{(.*)\} ([-+0-9.eInf]+))re"))) << line;
    return {parts[1], labels_of(parts[2]), parts[3]};
}

/// Reads an exposition and checks its form: HELP, TYPE, then the samples of that metric, each metric once.
std::map<std::string, Family> parse(const std::string& text) {
    std::map<std::string, Family> families;
    std::string helped;
    std::string current;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string hash, keyword, name, rest;
        words >> hash >> keyword >> name;
        std::getline(words, rest);
        if (hash != "#") {
            const Sample sample = sample_of(line);
            EXPECT_TRUE(sample.name.starts_with(current)) << line << " stands below " << current;
            families[current].samples.push_back(sample);
        } else if (keyword == "HELP") {
            EXPECT_GT(rest.size(), 5u) << line;
            helped = name;
        } else {
            EXPECT_EQ(keyword, "TYPE");
            EXPECT_EQ(name, helped) << "HELP before TYPE";
            EXPECT_FALSE(families.contains(name)) << "a metric stands once: " << name;
            current = name;
            families[current].type = rest.substr(1);
        }
    }
    EXPECT_TRUE(text.ends_with('\n'));
    return families;
}

/// promtool's lint of one metric.
void check_name(const std::string& name, const Family& family) {
    EXPECT_TRUE(std::regex_match(name, std::regex("bandfs_[a-z_]+"))) << name;
    EXPECT_EQ(family.type == "counter", name.ends_with("_total")) << name;
    for (const char* suffix : {"_count", "_sum", "_bucket"}) EXPECT_FALSE(name.ends_with(suffix)) << name;
    const std::string words = "_" + name + "_";
    for (const char* word : {"_counter_",      "_gauge_",       "_histogram_", "_summary_",   "_milliseconds_",
                             "_microseconds_", "_nanoseconds_", "_kilobytes_", "_megabytes_", "_percent_",
                             "_minutes_",      "_hours_",       "_bits_",      "_s_",         "_ms_",
                             "_us_",           "_ns_",          "_sec_",       "_b_",         "_kb_",
                             "_mb_",           "_gb_",          "_m_",         "_h_",         "_d_"}) {
        EXPECT_EQ(words.find(word), std::string::npos) << name << " contains " << word;
    }
}

void check_histogram(const std::string& name, const Family& family) {
    std::map<std::string, std::vector<Sample>> by_group;
    for (const Sample& sample : family.samples) by_group[sample.labels.at("group")].push_back(sample);
    for (const auto& [group, samples] : by_group) {
        double bound_before = -1;
        double count_before = 0;
        std::size_t i = 0;
        for (; samples[i].name == name + "_bucket"; ++i) {
            const double bound = std::stod(samples[i].labels.at("le"));
            EXPECT_GT(bound, bound_before) << group;
            EXPECT_GE(std::stod(samples[i].value), count_before) << group;
            bound_before = bound;
            count_before = std::stod(samples[i].value);
        }
        ASSERT_EQ(samples.size(), i + 2);
        EXPECT_EQ(samples[i - 1].labels.at("le"), "+Inf");
        EXPECT_EQ(samples[i].name, name + "_sum");
        EXPECT_EQ(samples[i + 1].name, name + "_count");
        EXPECT_EQ(std::stod(samples[i + 1].value), count_before);
    }
}

class Metrics : public MountFixture {
protected:
    Metrics() {
        send("attach", "1000");
        send("weight", "1000:300");
        serve(group(1000), Direction::read, 131072);
    }
    std::map<std::string, Family> families() { return parse(value("metrics")); }
};

TEST_F(Metrics, FollowTheRules) {
    const std::map<std::string, Family> all = families();
    for (const auto& [name, family] : all) {
        SCOPED_TRACE(name);
        check_name(name, family);
        EXPECT_FALSE(family.samples.empty());
        std::set<std::pair<std::string, std::map<std::string, std::string>>> seen;
        for (const Sample& sample : family.samples) {
            EXPECT_TRUE(seen.emplace(sample.name, sample.labels).second) << "sample twice";
            EXPECT_TRUE(family.type == "histogram" || sample.name == name);
            EXPECT_EQ(sample.labels.contains("le"), sample.name.ends_with("_bucket"));
        }
        if (family.type == "histogram") check_histogram(name, family);
    }
}

TEST_F(Metrics, SayWhatStatusSays) {
    std::map<std::string, Family> all = families();
    const auto of_group = [&](const std::string& name, const std::string& group) {
        for (const Sample& sample : all[name].samples) {
            const bool read = !sample.labels.contains("direction") || sample.labels.at("direction") == "read";
            if (sample.labels.at("group") == group && read) return sample.value;
        }
        return std::string("missing");
    };
    EXPECT_EQ(of_group("bandfs_group_weight", "default"), "100");
    EXPECT_EQ(of_group("bandfs_group_weight", "1000"), "300");
    EXPECT_EQ(of_group("bandfs_group_share_wanted_ratio", "1000"), "0.75");
    EXPECT_EQ(of_group("bandfs_group_share_got_ratio", "1000"), "1");
    EXPECT_EQ(of_group("bandfs_group_units_total", "1000"), "1");
    EXPECT_EQ(of_group("bandfs_group_immediate_units_total", "1000"), "1");
    EXPECT_EQ(of_group("bandfs_group_deferred_units_total", "1000"), "0");
    EXPECT_EQ(of_group("bandfs_group_bytes_total", "1000"), "131072");
    EXPECT_EQ(all["bandfs_policy_figure"].samples.at(0).labels.at("policy"), "weight");
    EXPECT_EQ(all["bandfs_io_limit"].samples.at(0).value, "128");
}

/// Every text of this key in a JSON value, however deep.
void collect(const nlohmann::json& json, const std::string& key, std::vector<std::string>& texts) {
    if (json.is_object() && json.contains(key) && json[key].is_string()) texts.push_back(json[key]);
    if (json.is_structured()) {
        for (const auto& each : json) collect(each, key, texts);
    }
}

TEST_F(Metrics, DashboardAsksForWhatThereIs) {
    std::map<std::string, Family> all = families();
    std::set<std::string> names, labels{"le"};
    for (const auto& [name, family] : all) {
        for (const Sample& sample : family.samples) {
            names.insert(sample.name);
            for (const auto& [label, value] : sample.labels) labels.insert(label);
        }
    }
    std::ifstream file(BANDFS_DASHBOARD);
    const nlohmann::json dashboard = nlohmann::json::parse(file);
    std::vector<std::string> queries, legends;
    collect(dashboard, "expr", queries);
    collect(dashboard["templating"], "query", queries);
    collect(dashboard, "legendFormat", legends);
    ASSERT_GT(queries.size(), 10u);
    const auto every = [](const std::string& text, const char* form) {
        const std::regex pattern(form);
        std::vector<std::string> found;
        for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
            found.push_back((*at)[1].str());
        }
        return found;
    };
    for (const std::string& query : queries) {
        for (const std::string& name : every(query, "(bandfs_[a-z_]+)")) EXPECT_TRUE(names.contains(name)) << query;
        for (const std::string& label : every(query, "([a-z]+)=~?\"")) EXPECT_TRUE(labels.contains(label)) << query;
        for (const std::string& list : every(query, "by \\(([a-z, ]+)\\)")) {
            for (const std::string& label : every(list, "([a-z]+)")) EXPECT_TRUE(labels.contains(label)) << query;
        }
    }
    for (const std::string& legend : legends) {
        for (const std::string& label : every(legend, "\\{\\{([a-z]+)\\}\\}"))
            EXPECT_TRUE(labels.contains(label)) << legend;
    }
}

TEST(MetricsText, CountsWaitsInBuckets) {
    MountSnapshot snapshot;
    snapshot.groups.emplace_back().is_default = true;
    for (const TimeNs wait : {kMillisecond, kMillisecond, 60 * kSecond}) snapshot.groups[0].waits.add(wait);
    const std::map<std::string, Family> all = parse(metrics_text({}, snapshot));
    const Family& waits = all.at("bandfs_group_wait_seconds");
    check_histogram("bandfs_group_wait_seconds", waits);
    EXPECT_EQ(waits.samples.back().value, "3");
    for (const Sample& sample : waits.samples) {
        if (!sample.labels.contains("le") || sample.labels.at("le") == "+Inf") continue;
        EXPECT_EQ(sample.value, std::stod(sample.labels.at("le")) < 0.001 ? "0" : "2");
    }
}

TEST(MetricsText, LabelsKeepWhatStandsInThem) {
    MountSnapshot snapshot;
    snapshot.groups.emplace_back().is_default = true;
    const MountInfo info{"", "/m\"n\\t\nx", "", "a,b}", 0, 0};
    const std::map<std::string, Family> all = parse(metrics_text(info, snapshot));
    const Sample& sample = all.at("bandfs_group_weight").samples.at(0);
    EXPECT_EQ(sample.labels.at("mount"), "/m\"n\\t\nx");
    EXPECT_EQ(sample.labels.at("devgroup"), "a,b}");
}

}  // namespace
}  // namespace bandfs
