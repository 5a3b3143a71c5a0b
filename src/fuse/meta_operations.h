// fuse/meta_operations.h - the operations on metadata, for libfuse's table. One file per family: ops_lookup.cc ...
//
// Not among them: locks, which the kernel keeps by itself among the callers of a mount; access, which it decides by
// default_permissions; and O_TMPFILE, which libfuse 3.14 cannot receive and so refuses, as a file system without it
// does.
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
