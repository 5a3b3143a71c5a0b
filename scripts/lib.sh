# shellcheck shell=bash disable=SC2034,SC2154  # used by, and set by, who sources it
# lib.sh - what the scripts share; sourced by bash with `here` set to the top of the checkout.

# Debian packages that building, testing and measuring need; the last lines are for tests and benchmarks.
packages=(
    g++ meson ninja-build pkg-config ccache
    libfuse3-dev fuse3 liburing-dev libboost-dev libspdlog-dev libtomlplusplus-dev nlohmann-json3-dev libncurses-dev
    libgtest-dev libbenchmark-dev
    libaio-dev attr acl fio e2fsprogs xfsprogs mount util-linux procps python3 strace mandoc clang-format shellcheck
    bash-completion zsh fish
)

say() { printf '== %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Installs those of "$@" that are missing. Needs root only when one is.
install_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || die "these packages are missing, and installing them needs root: ${missing[*]}"
    say "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# configure DIRECTORY MESON_OPTION...: sets up or reconfigures a build directory.
configure() {
    local build=$1
    shift
    if [ -f "$build/build.ninja" ]; then
        meson configure "$build" "$@" >/dev/null
    else
        CC="ccache gcc" CXX="ccache g++" meson setup "$build" "$here" "$@" >"$build.log" 2>&1 ||
            { cat "$build.log"; die "meson setup $build failed"; }
    fi
}
