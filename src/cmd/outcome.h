// cmd/outcome.h - a value, or the failure that the command reports: its exit code and a sentence for people.
#pragma once

#include <cassert>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

#include "cmd/exit_codes.h"
#include "sys/result.h"

namespace bandfs {

struct Failure {
    ExitCode code = ExitCode::system;
    std::string message;  ///< without "bandfs: " and without a full stop
};

/// Asking for the side that is not there asserts.
template <typename T>
class [[nodiscard]] Outcome {
public:
    Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Outcome(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}

    explicit operator bool() const { return ok(); }
    bool ok() const { return state_.index() == 0; }
    T& operator*() & { return *value(); }
    const T& operator*() const& { return *value(); }
    T&& operator*() && { return std::move(*value()); }
    T* operator->() { return value(); }
    const T* operator->() const { return value(); }

    const Failure& failure() const {
        assert(!ok());
        return *std::get_if<1>(&state_);
    }

private:
    T* value() {
        assert(ok());
        return std::get_if<0>(&state_);
    }
    const T* value() const {
        assert(ok());
        return std::get_if<0>(&state_);
    }

    std::variant<T, Failure> state_;
};

/// Nothing to hand back but that it went well.
struct Done {};

/// "No such file or directory".
inline std::string words_of(Errno error) {
    return std::strerror(error.code);
}

/// "WHAT: No such file or directory".
inline Failure system_failure(ExitCode code, const std::string& what, Errno error) {
    return Failure{code, what + ": " + words_of(error)};
}

}  // namespace bandfs
