// cmd/election.h - one server per user and device group: finding it, or becoming it.
//
// Who holds the lock file NAME.lock in the runtime directory is the server and listens at NAME.sock. The lock goes with
// its holder, so what a killed server leaves behind is taken over by the next command without further ado.
#pragma once

#include <optional>
#include <string>

#include "bandfs/unit.h"
#include "cmd/outcome.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// The post of a server, held: what a process needs to be one.
struct ServerPost {
    UniqueFd directory;  ///< the runtime directory
    std::string name;    ///< of the device group
    UniqueFd lock;
    UniqueFd listener;

    /// Gives the post up: the files are removed, then the lock goes. Later commands elect another server.
    void leave();
};

/// Either a server's post to take, or a connection to the server that holds it.
struct Elected {
    std::optional<ServerPost> post;
    UniqueFd connection;
};

/// Tries until `deadline`: a server that is just starting or leaving holds the lock and does not listen.
Outcome<Elected> elect(const std::string& runtime_directory, const std::string& name, TimeNs deadline);

}  // namespace bandfs
