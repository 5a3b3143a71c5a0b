// sys/result.h - a value or the errno that stands in its way: the error dialect of everything that calls the system.
#pragma once

#include <cassert>
#include <cerrno>
#include <optional>
#include <utility>

namespace bandfs {

/// The errno of a failed system call, never 0 and never negative.
struct Errno {
    int code;
    friend bool operator==(Errno, Errno) = default;
};

/// A value, or the Errno of the call that could not give one. Asking for the side that is not there asserts.
template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : value_(std::move(value)) {}
    Result(Errno error) : code_(error.code) { assert(error.code > 0); }

    explicit operator bool() const { return value_.has_value(); }
    bool ok() const { return value_.has_value(); }
    T& operator*() & {
        assert(ok());
        return *value_;
    }
    const T& operator*() const& {
        assert(ok());
        return *value_;
    }
    T&& operator*() && {
        assert(ok());
        return std::move(*value_);
    }
    T* operator->() {
        assert(ok());
        return &*value_;
    }
    const T* operator->() const {
        assert(ok());
        return &*value_;
    }

    Errno error() const {
        assert(!ok());
        return Errno{code_};
    }
    /// The errno, 0 when there is a value: what fuse_reply_err takes.
    int code() const { return ok() ? 0 : code_; }

private:
    std::optional<T> value_;
    int code_ = 0;
};

/// Success, or the Errno of the call that failed.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Errno error) : code_(error.code) { assert(error.code > 0); }

    explicit operator bool() const { return code_ == 0; }
    bool ok() const { return code_ == 0; }
    Errno error() const {
        assert(!ok());
        return Errno{code_};
    }
    int code() const { return code_; }

private:
    int code_ = 0;
};

using Status = Result<void>;

/// Whether a call failed because the process or the system has no descriptor left.
template <typename T>
bool lacks_descriptors(const Result<T>& result) {
    return result.code() == EMFILE || result.code() == ENFILE;
}

/// The Errno the last system call of this thread left.
inline Errno last_errno() {
    return Errno{errno};
}

}  // namespace bandfs
