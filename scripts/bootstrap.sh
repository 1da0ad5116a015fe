#!/bin/sh
# Makes sure that a Rust toolchain and a C compiler are there, then hands over to `cargo xtask`.
# Everything else, also what is missing for the servers, is decided there.
set -eu

cd "$(dirname "$0")/.."

# A fresh shell often has no ~/.cargo/bin on its PATH.
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
export PATH

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

if ! command -v cargo >/dev/null 2>&1; then
    fail 'Rust is missing. Install the stable toolchain (1.95 or later, with rustup), then try again.'
fi

if ! command -v cc >/dev/null 2>&1; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo '==> Installing the C compiler'
        apt-get -qq update
        DEBIAN_FRONTEND=noninteractive apt-get -y -qq install --no-install-recommends gcc libc6-dev
    else
        fail 'A C compiler is missing. Install it as root: apt-get install --no-install-recommends gcc libc6-dev'
    fi
fi

# The first build takes a while and must not be silent; later ones are not worth a line.
if [ ! -x "${CARGO_TARGET_DIR:-target}/debug/xtask" ]; then
    echo '==> Building the developer commands'
    cargo build --package xtask
fi

exec cargo xtask "$@"
