// fuse/meta_operations.h - the operations on metadata, for libfuse's table. One file per family: ops_lookup.cc ...
//
// Not among them: access, which the kernel decides by default_permissions.
#pragma once

struct fuse_lowlevel_ops;

namespace bandfs {

/// Enters every operation on metadata into the table.
void add_meta_operations(fuse_lowlevel_ops& table);

void add_lookup_operations(fuse_lowlevel_ops& table);
void add_attribute_operations(fuse_lowlevel_ops& table);
void add_name_operations(fuse_lowlevel_ops& table);
void add_directory_operations(fuse_lowlevel_ops& table);
void add_xattr_operations(fuse_lowlevel_ops& table);
void add_other_operations(fuse_lowlevel_ops& table);

}  // namespace bandfs
