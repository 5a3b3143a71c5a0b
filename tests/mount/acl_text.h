// tests/mount/acl_text.h - extended attributes as tests make and print them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bandfs::mount_test {

/// The value of a system.posix_acl_* attribute: the classes' permissions from a mode, entries for a user and a group,
/// and a mask. An odd number of set bits above 0777 leaves out the entries, so that the ACL says what a mode can.
std::string acl_of(std::uint32_t mode);

/// The names of a list, sorted, with blanks between them.
std::string attribute_names(std::string_view list);

}  // namespace bandfs::mount_test
