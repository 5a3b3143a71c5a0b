// cmd/server.h - the process that serves all mounts of one device group.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "cmd/device_service.h"
#include "cmd/election.h"
#include "cmd/served_mount.h"
#include "cmd/wire.h"
#include "sys/unix_socket.h"

namespace bandfs {

/// Serves until its last mount is gone. One thread (run()) takes signals and connections; each connection is a
/// conversation with a thread of its own, which, when a mount comes of it, stays with the mount until its end. So the
/// server is done when no conversation is left.
///
/// SIGTERM and SIGINT: every mount finishes what is held and in flight and is unmounted. The second one: the mounts are
/// detached and the process leaves at once. SIGHUP: every mount's configuration file is read again.
///
/// Duties: a conversation that ends wakes run() through wake_; run() wakes conversations that wait for their peer by
/// shutting their sockets down, and those that wait for a mount's end by its leave().
class Server {
public:
    explicit Server(ServerPost post);
    ~Server();

    /// `first` is the connection of the command that started the server. `client` (0: none) is that command when it is
    /// a child of this process: its exit code becomes ours when no mount came of it.
    int run(UniqueFd first, pid_t client);

private:
    /// One connection. `mount` is set by its thread, under mutex_, while there is one.
    struct Conversation {
        UniqueFd socket;
        std::unique_ptr<ServedMount> mount;
        bool serving = false;  ///< guarded by mutex_, as `mount` and `done`
        bool done = false;
        std::thread thread;
    };

    void begin(UniqueFd socket);
    void hold_conversation(Conversation& conversation);
    Outcome<Done> answer(Conversation& conversation);
    Outcome<Done> mount_for(Conversation& conversation, const PeerIds& peer, CommandMessage command,
                            SocketMessage message);
    Outcome<std::unique_ptr<ServedMount>> prepare(const OfferMessage& offer, const PeerIds& peer,
                                                  SocketMessage& message);
    Outcome<Done> list_for(Conversation& conversation);
    Outcome<Done> reload_for(Conversation& conversation, const PeerIds& peer, const ReloadMessage& message);
    Outcome<std::vector<std::string>> reload(const ReloadMessage& message, const std::string& who);

    Outcome<std::shared_ptr<Gate>> join(const DeviceRequest& wanted);
    Outcome<Done> check_against_others(const OfferMessage& offer, dev_t source_device);
    void complain(const std::string& line);
    void remove_finished();
    bool has_room();
    bool take_signals();
    void note_client(int status);
    void leave_in_order();
    [[noreturn]] void leave_at_once();

    ServerPost post_;
    DeviceService service_;
    UniqueFd signals_;
    UniqueFd wake_;
    bool leaving_ = false;  ///< run()'s thread alone
    pid_t client_ = 0;
    int client_code_ = 0;

    std::mutex mutex_;
    std::list<Conversation> conversations_;  ///< guarded by mutex_; elements stay in place
    std::size_t mounts_ = 0;                 ///< prepared and not destroyed; guarded by mutex_
    std::condition_variable mount_gone_;
};

/// The server of a command that goes to the background: leaves the terminal, serves, ends the process.
[[noreturn]] void become_server(ServerPost post, UniqueFd first);

/// The server of a command that stays in the foreground (-f); `client` is the child that does the command's part.
int serve_in_foreground(ServerPost post, UniqueFd first, pid_t client);

}  // namespace bandfs
