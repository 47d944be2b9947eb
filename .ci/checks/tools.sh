# Finds or installs what the checks need. Sourced by them, from the root of the repository.

# need PROGRAM PACKAGE: a program of the system. Where it is missing, root installs the Debian (Ubuntu) package.
need() {
    if ! command -v "$1" > /dev/null && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        { apt-get update --quiet=2 && apt-get install --quiet=2 --yes --no-install-recommends "$2"; } > /dev/null || true
    fi
    command -v "$1" > /dev/null || { echo "$1 is missing: install it (Debian, Ubuntu: apt-get install $2)" >&2; return 1; }
}

# python_tools NAME REQUIREMENT...: an environment target/tools/NAME that holds these from PyPI.
python_tools() {
    local folder=$PWD/target/tools/$1 wanted="$PWD: ${*:2}"
    # The path belongs to it: an environment does not survive being moved.
    [ "$(cat "$folder/wanted" 2> /dev/null)" != "$wanted" ] || return 0
    need python3 python3
    python3 -c 'import ensurepip' 2> /dev/null || apt-get install --quiet=2 --yes python3-venv > /dev/null ||
        { echo "Python cannot make environments: install python3-venv" >&2; return 1; }
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "${@:2}"
    echo "$wanted" > "$folder/wanted"
}

# cargo_tool NAME VERSION: a cargo command from crates.io, kept in target/tools/cargo. Unoptimised: what it does takes
# seconds, and building it for speed would take minutes.
cargo_tool() {
    export PATH="$PWD/target/tools/cargo/bin:$PATH"
    [ "$(cargo "${1#cargo-}" --version 2> /dev/null | awk '{ print $NF }')" = "$2" ] ||
        CARGO_TARGET_DIR=$PWD/target/tools/build cargo install --quiet --locked --debug --force "$1" --version "$2" \
            --root target/tools/cargo
}

# native_program: prints the program in bin/ that this machine runs.
native_program() {
    case $(uname -m) in
        x86_64) echo "$PWD/bin/higress-linux-amd64" ;;
        aarch64) echo "$PWD/bin/higress-linux-arm64" ;;
        *) echo "no program is built for this machine: $(uname -m)" >&2; return 1 ;;
    esac
}
