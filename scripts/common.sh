# shellcheck shell=bash
# Sourced by the other scripts, from bash: the repository's root, its Python environment, and helpers.
#
#   root                 the repository's root, absolute
#   python               the environment's Python
#   ensure_environment   makes .venv hold what requirements.txt says; instant, and offline, if it already does
#   die MESSAGE          prints an error and exits with code 1
#   names_arc ARGUMENTS  true if the arguments say which arc, or baseline, to train

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv"
python="$venv/bin/python"
# What TensorFlow and NumPy, at the versions in requirements.txt, both support.
supported="(3, 11) <= sys.version_info[:2] <= (3, 13)"

die() {
    echo "error: $1" >&2
    exit 1
}

ensure_environment() {
    _is_installed && return
    # Waits for another script that is installing; the lock goes with this subshell. macOS has no flock.
    (
        if command -v flock >/dev/null; then
            flock 9
        fi
        _is_installed || _install
    ) 9<"$root/requirements.txt"
}

# The stamp of a complete installation: it differs once requirements.txt or the Python version does.
_stamp() {
    "$python" - "$root/requirements.txt" 2>/dev/null <<'PYTHON'
import hashlib, sys
with open(sys.argv[1], "rb") as file:
    print(sys.version_info[:2], hashlib.sha256(file.read()).hexdigest())
PYTHON
}

_is_installed() {
    local now
    [[ -r "$venv/.requirements" && ! -e "$venv/.installing" ]] || return
    now="$(_stamp)" && [[ "$now" == "$(<"$venv/.requirements")" ]]
}

_install() {
    if ! _is_usable; then
        _make_venv
    fi
    echo "Installing requirements.txt into $venv (the first time 2 GB, a few minutes)"
    # An interrupted pip may leave packages that look installed: the next run then starts from an empty .venv.
    touch "$venv/.installing"
    "$python" -m pip install --disable-pip-version-check -r "$root/requirements.txt" ||
        die "pip could not install requirements.txt (see above); run this script again to retry"
    _add_checkout
    _stamp >"$venv/.requirements"
    rm "$venv/.installing"
}

# Lets programs in any folder, those below scripts/ among them, import the checkout's packages.
_add_checkout() {
    "$python" - "$root" <<'PYTHON'
import os, sys, sysconfig
with open(os.path.join(sysconfig.get_path("purelib"), "enas_checkout.pth"), "w", encoding="utf-8") as file:
    file.write(sys.argv[1] + "\n")
PYTHON
}

_is_usable() {
    [[ ! -e "$venv/.installing" ]] &&
        "$python" -c "import sys; sys.exit(not $supported)" 2>/dev/null &&
        "$python" -m pip --version >/dev/null 2>&1
}

_make_venv() {
    local base clear=""
    base="$(_find_python)" || exit
    # Empties only what is a virtual environment, and a broken one.
    if [[ -e "$venv/pyvenv.cfg" ]]; then
        clear="--clear"
    fi
    echo "Making $venv"
    # shellcheck disable=SC2086  # empty: no argument
    "$base" -m venv $clear "$venv" || die "could not make the virtual environment $venv (see above)"
    _is_usable || die "the virtual environment $venv does not work; delete it and run this script again"
}

# Prints the Python to make .venv with: python3 if it is of a supported version, else one that is.
_find_python() {
    local name found=""
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c "import sys; sys.exit(not $supported)" 2>/dev/null; then
            found="$name"
            break
        fi
    done
    if [[ -z "$found" ]]; then
        die "no Python 3.11, 3.12 or 3.13 found, which TensorFlow and NumPy need here (python3 is: $(
            python3 --version 2>/dev/null || echo missing
        ))"
    fi
    "$found" -c "import ensurepip, venv" 2>/dev/null ||
        die "$found cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv"
    echo "$found"
}

names_arc() {
    local argument
    for argument in "$@"; do
        case "$argument" in
        -arc_file* | -child_fixed_arc* | -fixed_arc* | --arc_file* | --child_fixed_arc* | --fixed_arc*) return 0 ;;
        -baseline* | --baseline*) return 0 ;;
        esac
    done
    return 1
}
