#include "cmd/wire.h"

#include <nlohmann/json.hpp>

namespace bandfs {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxPath = 4096;
constexpr std::size_t kMaxOptions = 4096;

/// No exceptions, and invalid UTF-8 in a path becomes a replacement character instead of an error.
std::string text_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Failure garbage(const std::string& reason) {
    return {ExitCode::server, "message not understood: " + reason};
}

const Json* member(const Json& json, const char* key) {
    const auto at = json.find(key);
    return at == json.end() ? nullptr : &*at;
}

bool read_string(const Json& json, const char* key, std::string& ret) {
    const Json* const value = member(json, key);
    if (value == nullptr || !value->is_string()) return false;
    ret = value->get<std::string>();
    return ret.size() <= kMaxPath && ret.find('\0') == std::string::npos;
}

bool read_options(const Json& json, std::vector<std::string>& ret) {
    const Json* const list = member(json, "options");
    if (list == nullptr || !list->is_array() || list->size() > kMaxOptions) return false;
    for (const Json& option : *list) {
        if (!option.is_string()) return false;
        ret.push_back(option.get<std::string>());
    }
    return true;
}

Outcome<CommandMessage> decode_offer(const Json& json) {
    CommandMessage message{.verb = Verb::offer, .offer = {}, .serve = {}, .reload = {}};
    OfferMessage& offer = message.offer;
    const Json* const version = member(json, "version");
    if (version == nullptr || !version->is_number_integer() || version->get<int>() != kWireVersion) {
        return Failure{ExitCode::server, "the running server is of another version"};
    }
    if (!read_string(json, "device_group", offer.device_group)) return garbage("device_group");
    if (!read_string(json, "source", offer.source) || !offer.source.starts_with('/')) return garbage("source");
    if (!read_string(json, "mountpoint", offer.mountpoint) || !offer.mountpoint.starts_with('/'))
        return garbage("mountpoint");
    if (!read_options(json, offer.options)) return garbage("options");
    return message;
}

Outcome<CommandMessage> decode_reload(const Json& json) {
    CommandMessage message{.verb = Verb::reload, .offer = {}, .serve = {}, .reload = {}};
    const Json* const apply = member(json, "apply");
    if (apply == nullptr || !apply->is_boolean()) return garbage("apply");
    message.reload.apply = apply->get<bool>();
    if (!read_string(json, "target", message.reload.target)) return garbage("target");
    return message;
}

}  // namespace

std::string encode(const OfferMessage& offer) {
    return text_of({{"verb", "offer"},
                    {"version", kWireVersion},
                    {"device_group", offer.device_group},
                    {"source", offer.source},
                    {"mountpoint", offer.mountpoint},
                    {"options", offer.options}});
}

std::string encode(const ServeMessage& serve) {
    return text_of({{"verb", "serve"}, {"device", serve.device}});
}

std::string encode(const ReloadMessage& reload) {
    return text_of({{"verb", "reload"}, {"target", reload.target}, {"apply", reload.apply}});
}

std::string encode_list() {
    return text_of({{"verb", "list"}});
}

Outcome<CommandMessage> decode_command(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return garbage("no JSON object");
    std::string verb;
    if (!read_string(json, "verb", verb)) return garbage("no verb");
    if (verb == "offer") return decode_offer(json);
    if (verb == "list") return CommandMessage{.verb = Verb::list, .offer = {}, .serve = {}, .reload = {}};
    if (verb == "reload") return decode_reload(json);
    if (verb != "serve") return garbage("unknown verb");
    const Json* const device = member(json, "device");
    if (device == nullptr || !device->is_number_unsigned()) return garbage("device");
    return CommandMessage{.verb = Verb::serve, .offer = {}, .serve = {device->get<std::uint64_t>()}, .reload = {}};
}

std::string encode_line(std::string_view line) {
    return text_of({{"line", line}});
}

std::optional<std::string> decode_line(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    const Json* const line = json.is_object() ? member(json, "line") : nullptr;
    if (line == nullptr || !line->is_string()) return std::nullopt;
    return line->get<std::string>();
}

std::string encode_ok() {
    return text_of({{"ok", true}});
}

std::string encode_refusal(const Failure& failure) {
    return text_of({{"ok", false}, {"code", static_cast<int>(failure.code)}, {"message", failure.message}});
}

Outcome<Done> decode_answer(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    const Json* const ok = json.is_object() ? member(json, "ok") : nullptr;
    if (ok == nullptr || !ok->is_boolean()) return Failure{ExitCode::server, "the server's answer is not understood"};
    if (ok->get<bool>()) return Done{};
    Failure failure{ExitCode::server, "refused by the server"};
    read_string(json, "message", failure.message);
    const Json* const code = member(json, "code");
    if (code != nullptr && code->is_number_integer()) failure.code = exit_code_of(code->get<int>());
    return failure;
}

}  // namespace bandfs
