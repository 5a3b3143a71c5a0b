#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace bandfs::mount_test {
namespace {

using namespace std::chrono_literals;

std::string joined(const std::vector<std::string>& command) {
    std::string line;
    for (const std::string& word : command) line += (line.empty() ? "" : " ") + word;
    return line;
}

std::vector<char*> argv_of(const std::vector<std::string>& command) {
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    return argv;
}

/// Starts a command with its output going to `output`.
pid_t start(const std::vector<std::string>& command, int output) {
    const std::vector<char*> argv = argv_of(command);
    const pid_t child = fork();
    if (child == 0) {
        dup2(output, 1);
        dup2(output, 2);
        execvp(argv[0], argv.data());
        _exit(127);
    }
    return child;
}

/// The exit code of a child, which is killed when it takes more than a minute.
int reap(pid_t child) {
    int status = 0;
    const bool ended = wait_until([&] { return waitpid(child, &status, WNOHANG) == child; }, 60s);
    if (!ended) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string make_directory(const std::string& prefix) {
    const char* base = getenv("TMPDIR");
    std::string path = std::string(base ? base : "/tmp") + "/" + prefix + ".XXXXXX";
    if (!mkdtemp(path.data())) throw std::runtime_error("mkdtemp " + path);
    chmod(path.c_str(), 0755);
    return path;
}

}  // namespace

std::string why_no_mounts() {
    if (geteuid() != 0) return "needs root";
    if (access("/dev/fuse", R_OK | W_OK) != 0) return "/dev/fuse is missing";
    if (access("/dev/loop-control", F_OK) != 0) return "loop devices are missing";
    return "";
}

std::string bandfs_program() {
    const char* path = getenv("BANDFS");
    return path ? path : "bandfs";
}

bool wait_until(const std::function<bool()>& condition, std::chrono::seconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(5ms);  // waits for the condition
    }
    return true;
}

std::string content_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

int run(const std::vector<std::string>& command) {
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const pid_t child = start(command, null);
    close(null);
    return reap(child);
}

std::string output_of(const std::vector<std::string>& command) {
    char name[] = "/tmp/bandfs-output.XXXXXX";
    const int file = mkostemp(name, O_CLOEXEC);
    unlink(name);
    const int code = reap(start(command, file));
    std::string text;
    char buffer[4096];
    lseek(file, 0, SEEK_SET);
    for (ssize_t n = 0; (n = read(file, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
    close(file);
    if (code != 0) throw std::runtime_error(joined(command) + ": exit code " + std::to_string(code) + ": " + text);
    return text;
}

Janitor::Janitor() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    child_ = fork();
    if (child_ != 0) {
        close(ends[0]);
        pipe_ = ends[1];
        return;
    }
    // The child reads commands, a line each, until every copy of the other end is closed.
    setsid();
    close(ends[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);) {
        if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
    }
    std::vector<std::vector<std::string>> commands;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::vector<std::string>& command = commands.emplace_back();
        for (std::string word; words >> word;) command.push_back(word);
    }
    for (auto command = commands.rbegin(); command != commands.rend(); ++command) run(*command);
    _exit(0);
}

Janitor::~Janitor() {
    close(pipe_);
    waitpid(child_, nullptr, 0);
}

void Janitor::on_end(const std::vector<std::string>& command) {
    const std::string line = joined(command) + "\n";
    if (write(pipe_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        throw std::runtime_error("janitor");
}

BackingFs::BackingFs(Janitor& janitor, const std::string& type) {
    top_ = make_directory("bandfs-" + type);
    path_ = top_ + "/fs";
    mkdir(path_.c_str(), 0755);
    janitor.on_end({"rm", "-rf", "--one-file-system", top_});
    if (type == "tmpfs") {
        output_of({"mount", "-t", "tmpfs", "-o", "size=512m", "bandfs-test", path_});
    } else {
        const std::string image = top_ + "/image";
        output_of({"truncate", "-s", "600M", image});
        if (type == "xfs") {
            output_of({"mkfs.xfs", "-q", image});
        } else {
            output_of({"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image});
        }
        loop_ = output_of({"losetup", "-f", "--show", image});
        loop_.pop_back();
        janitor.on_end({"losetup", "-d", loop_});
        output_of({"mount", loop_, path_});
    }
    janitor.on_end({"umount", "-l", path_});
    for (const std::string& directory : {bare(), below()}) {
        mkdir(directory.c_str(), 0755);
        chmod(directory.c_str(), 01777);
    }
}

BackingFs::~BackingFs() {
    // The janitor does the same without waiting; here a file system that stays busy is seen.
    if (!wait_until([this] { return umount(path_.c_str()) == 0 || errno == EINVAL; })) {
        fprintf(stderr, "%s stays busy\n", path_.c_str());
        umount2(path_.c_str(), MNT_DETACH);
    }
    if (!loop_.empty()) run({"losetup", "-d", loop_});
}

SlowDisk::SlowDisk(Janitor& janitor, int mib) {
    path_ = output_of({getenv("STACK"), "up", getenv("LANEDISK"), std::to_string(mib), "0"});
    path_.pop_back();
    janitor.on_end({getenv("STACK"), "down", path_});
}

SlowDisk::~SlowDisk() {
    if (run({getenv("STACK"), "down", path_}) != 0) fprintf(stderr, "%s stays\n", path_.c_str());
}

void SlowDisk::set_speed(double mb_per_s) {
    // The script takes whole megabytes; its file takes bytes.
    const std::string top = path_.substr(0, path_.rfind('/'));
    const std::string conf = std::to_string(static_cast<long>(mb_per_s * 1e6)) + " 0\n";
    std::ofstream(top + "/conf") << conf;
    pid_t process = 0;
    std::ifstream(top + "/pid") >> process;
    if (process <= 0 || kill(process, SIGHUP) != 0) throw std::runtime_error(top + " has no disk");
    if (!wait_until([&] { return content_of(top + "/conf.taken") == conf; })) {
        throw std::runtime_error(top + " does not take its speed");
    }
}

void SlowDisk::drop_caches() {
    output_of({getenv("STACK"), "drop", path_});
}

bool over_rings() {
    return std::getenv("BANDFS_OVER_RINGS") != nullptr;
}

BandfsMount::BandfsMount(Janitor& janitor, const std::string& source, const std::string& options,
                         const std::vector<std::string>& run_by) {
    path_ = make_directory("bandfs-mnt");
    janitor.on_end({"rmdir", path_});
    janitor.on_end({"umount", "-l", path_});
    std::vector<std::string> command = run_by;
    command.insert(command.end(),
                   {bandfs_program(), source, path_, "-o", (over_rings() ? "transport=auto," : "") + options});
    output_of(command);
    mounted_ = true;
}

BandfsMount::~BandfsMount() {
    if (mounted_ && !unmount()) {
        fprintf(stderr, "%s stays busy\n", path_.c_str());
        umount2(path_.c_str(), MNT_DETACH);
    }
    rmdir(path_.c_str());
}

bool BandfsMount::unmount() {
    mounted_ = !wait_until([this] { return umount(path_.c_str()) == 0 || errno == EINVAL; });
    return !mounted_;
}

int BandfsMount::message(const std::string& name, const std::string& arguments) const {
    const std::string control = path_ + "/.bandfs";
    const int answer =
        setxattr(control.c_str(), ("user.bandfs." + name).c_str(), arguments.data(), arguments.size(), 0);
    return answer == 0 ? 0 : errno;
}

std::string BandfsMount::control(const std::string& file) const {
    return content_of(path_ + "/.bandfs/" + file);
}

std::uint64_t sectors_in(const std::string& status, Column column) {
    std::uint64_t sum = 0;
    std::istringstream lines(status);
    std::string line;
    std::getline(lines, line);  // the heading
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string word;
        for (int i = 0; i <= static_cast<int>(column); ++i) words >> word;
        sum += strtoull(word.c_str(), nullptr, 10);
    }
    return sum;
}

std::vector<pid_t> daemons() {
    std::vector<pid_t> found;
    const std::filesystem::path program = std::filesystem::canonical(bandfs_program());
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::error_code error;
        const pid_t process = atoi(entry.path().filename().c_str());
        if (process > 0 && std::filesystem::read_symlink(entry.path() / "exe", error) == program)
            found.push_back(process);
    }
    return found;
}

bool has_ended(pid_t process) {
    const std::string directory = "/proc/" + std::to_string(process);
    std::ifstream stat(directory + "/stat");
    std::string text;
    if (!std::getline(stat, text)) return true;
    const bool zombie = text.find(") Z") != std::string::npos;
    return zombie && status_field(process, "Threads") <= 1;
}

long status_field(pid_t process, const std::string& field) {
    std::ifstream status("/proc/" + std::to_string(process) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(field + ":")) return atol(line.c_str() + field.size() + 1);
    }
    return -1;
}

}  // namespace bandfs::mount_test
