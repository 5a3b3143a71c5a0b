// small-files create|stat|read|delete DIRECTORY COUNT - one operation on each of COUNT files of 4 KiB, one after the
// other.
//
// Prints the nanoseconds that all of them took. A program of its own, since benchmarks that lay out or look for their
// files first leave them in the caches that are to be measured.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kBytes = 4096;

bool create(const char* path) {
    static const std::vector<char> content(kBytes, 'x');
    const int fd = ::open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    return fd >= 0 && ::write(fd, content.data(), kBytes) == static_cast<ssize_t>(kBytes) && ::close(fd) == 0;
}

bool read(const char* path) {
    static std::vector<char> content(kBytes);
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && ::read(fd, content.data(), kBytes) == static_cast<ssize_t>(kBytes) && ::close(fd) == 0;
}

bool stat(const char* path) {
    struct stat attributes {};
    return ::stat(path, &attributes) == 0;
}

bool remove(const char* path) {
    return ::unlink(path) == 0;
}

struct Operation {
    const char* name;
    bool (*on)(const char* path);
};
constexpr Operation kOperations[] = {{"create", create}, {"stat", stat}, {"read", read}, {"delete", remove}};

}  // namespace

int main(int argc, char** argv) {
    const Operation* operation = nullptr;
    for (const Operation& known : kOperations)
        if (argc == 4 && std::strcmp(argv[1], known.name) == 0) operation = &known;
    const int count = operation ? std::atoi(argv[3]) : 0;
    if (count <= 0) {
        std::fprintf(stderr, "usage: small-files create|stat|read|delete DIRECTORY COUNT\n");
        return 2;
    }
    std::vector<std::string> paths;
    for (int i = 0; i < count; ++i) paths.push_back(std::string(argv[2]) + "/small-" + std::to_string(i));
    const auto start = std::chrono::steady_clock::now();
    for (const std::string& path : paths) {
        if (operation->on(path.c_str())) continue;
        std::perror(path.c_str());
        return 1;
    }
    const auto took = std::chrono::steady_clock::now() - start;
    std::printf("%lld\n", static_cast<long long>(std::chrono::nanoseconds(took).count()));
}
