// scratch_file.h - a file in a directory of its own that goes with the test.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "sys/unique_fd.h"

namespace bandfs::test {

class ScratchFile {
public:
    ScratchFile() {
        std::string name = (std::filesystem::temp_directory_path() / "bandfs-unit-XXXXXX").string();
        directory_ = ::mkdtemp(name.data()) != nullptr ? name : "";
        path_ = directory_ + "/file";
    }
    ~ScratchFile() {
        std::error_code ignored;
        if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
    }
    ScratchFile(const ScratchFile&) = delete;
    ScratchFile& operator=(const ScratchFile&) = delete;

    const std::string& path() const { return path_; }
    UniqueFd open(int flags) const { return UniqueFd(::open(path_.c_str(), flags | O_CLOEXEC, 0600)); }
    void unlink() const { ::unlink(path_.c_str()); }

private:
    std::string directory_;
    std::string path_;
};

}  // namespace bandfs::test
