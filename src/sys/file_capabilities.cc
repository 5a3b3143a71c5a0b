#include "sys/file_capabilities.h"

#include <sys/xattr.h>

#include <utility>

namespace bandfs {
namespace {

constexpr const char* kName = "security.capability";

}  // namespace

FileCapabilities::FileCapabilities(std::string path) : path_(std::move(path)) {
    const ssize_t length = ::getxattr(path_.c_str(), kName, value_, sizeof value_);
    if (length > 0) length_ = static_cast<std::size_t>(length);
}

Status FileCapabilities::restore() const {
    if (length_ == 0 || ::getxattr(path_.c_str(), kName, nullptr, 0) > 0) return {};
    if (::setxattr(path_.c_str(), kName, value_, length_, 0) != 0) return last_errno();
    return {};
}

}  // namespace bandfs
