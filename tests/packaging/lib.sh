# shellcheck shell=bash disable=SC2034,SC2154  # used by, and set by, who sources it
# lib.sh - what the tests of the installed program share; sourced by bash.
#
# BUILD is the build directory and PREFIX its prefix, set by meson. A test runs in a mount namespace of its own in which what
# `meson install` installs lies over /usr, as a package would put it there. The system is not touched.

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# expect TEXT WANTED: both are the same.
expect() { [ "$1" = "$2" ] || fail "$3: got '$1', wanted '$2'"; }

# wait_until WHAT COMMAND...: for at most 20 seconds.
wait_until() {
    local what=$1 i
    shift
    for ((i = 0; i < 200; ++i)); do
        if "$@"; then return; fi
        sleep 0.1
    done
    fail "$what"
}

# A server would keep its mount, and with it the namespace, for ever.
unmount_all() { findmnt -rn -o TARGET | { grep "^$scratch" || :; } | xargs -r umount -l; }

# Installs into $scratch/stage; runs what is left of the script in a namespace where that is part of the system.
#   enter_installed "$0" "$@"
enter_installed() {
    scratch=
    if [ -n "${PACKAGING_SCRATCH:-}" ]; then
        scratch=$PACKAGING_SCRATCH
        trap unmount_all EXIT
        return 0
    fi
    [ "$(id -u)" = 0 ] || skip "needs root"
    scratch=$(mktemp -d /tmp/bandfs-packaging.XXXXXX)
    chmod 755 "$scratch"
    # shellcheck disable=SC2064
    trap "rm -rf '$scratch'" EXIT
    DESTDIR=$scratch/stage meson install -C "$BUILD" --no-rebuild >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "meson install"; }
    # shellcheck disable=SC2016
    PACKAGING_SCRATCH=$scratch unshare --mount --propagation private bash -c '
        stage=$PACKAGING_SCRATCH/stage$PREFIX
        mount -t overlay overlay -o "lowerdir=$stage:/usr" /usr || exit 77
        [ "$PREFIX" = /usr ] || mkdir -p "$PREFIX" 2>/dev/null
        [ "$PREFIX" = /usr ] || mount -t overlay overlay -o "lowerdir=$stage:$PREFIX" "$PREFIX" || exit 77
        exec bash "$@"' bash "$@"
    exit
}
