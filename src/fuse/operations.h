// fuse/operations.h - the operations on file data, for libfuse's table. One file per family: ops_open.cc, ops_read.cc
// ...
//
// Every handler answers its request exactly once, now or later from a worker, and may throw std::bad_alloc before it
// has.
#pragma once

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse_lowlevel.h>

namespace bandfs {

void op_open(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info);
void op_create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info);
void op_release(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info);
void op_read(fuse_req_t request, fuse_ino_t ino, size_t bytes, off_t offset, fuse_file_info* info);
void op_write_buf(fuse_req_t request, fuse_ino_t ino, fuse_bufvec* payload, off_t offset, fuse_file_info* info);
void op_fsync(fuse_req_t request, fuse_ino_t ino, int data_only, fuse_file_info* info);
void op_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length, fuse_file_info* info);
void op_getlk(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info, struct flock* wanted);
void op_setlk(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info, struct flock* wanted, int waits);
void op_flock(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info, int operation);
void op_flush(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info);
void op_lseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, fuse_file_info* info);

}  // namespace bandfs
