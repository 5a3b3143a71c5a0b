#include "disk/disk_io.h"

#include "sys/file_io.h"

namespace bandfs {

namespace {

class SystemDiskIo final : public DiskIo {
public:
    Result<std::size_t> read(int fd, std::span<std::byte> into, std::uint64_t offset) override {
        return read_at(fd, into, offset);
    }
    Result<std::size_t> read_cached(int fd, std::span<std::byte> into, std::uint64_t offset) override {
        return read_at_once(fd, into, offset);
    }
    Result<std::size_t> write(int fd, std::span<const std::byte> from, std::uint64_t offset,
                              Durability durability) override {
        return write_at(fd, from, offset, synced_as(durability));
    }
    Status write_back(int fd, std::uint64_t offset, std::uint64_t bytes) override {
        return write_back_range(fd, offset, bytes);
    }
    Status sync(int fd, bool data_only) override { return sync_file(fd, data_only); }
    std::optional<std::uint64_t> resident_pages(int fd, std::uint64_t offset, std::uint64_t bytes) override {
        return bandfs::resident_pages(fd, offset, bytes);
    }
    bool of_system() const override { return true; }
    Volume volume(int fd) override { return volume_of(fd); }

private:
    static SyncedWrite synced_as(Durability durability) {
        switch (durability) {
            case Durability::none:
                return SyncedWrite::no;
            case Durability::data:
                return SyncedWrite::data;
            case Durability::all:
                break;
        }
        return SyncedWrite::all;
    }
};

}  // namespace

DiskIo& DiskIo::system() {
    static SystemDiskIo io;
    return io;
}

}  // namespace bandfs
