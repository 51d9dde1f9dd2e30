#!/bin/sh
# Set up what tools/demo.sh and tools/test.sh need: Debian packages, a virtual environment, pinned libraries.
#
#   tools/setup.sh demo    to run netsched and its demo
#   tools/setup.sh test    to run everything
#   tools/setup.sh ansible what one more test of `tools/test.sh --full` needs
#
# A second run with nothing changed does nothing. Everything that the programs say goes to .cache/setup-*.log.
set -eu
cd "$(dirname "$0")/.."

profile=${1:-demo}
case $profile in
    demo) extras= ;;
    test) extras='[test,docs]' ;;
    ansible) extras= ;;
    *) echo "usage: tools/setup.sh demo|test|ansible" >&2; exit 2 ;;
esac
mkdir -p .cache
log=.cache/setup-$profile.log
stamp=.venv/netsched-$profile.stamp
started=$(date +%s)

say() { printf '%s\n' "$*"; }
fail() { printf 'Set-up failed: %s\n' "$*" >&2; exit 1; }
logged() {
    "$@" >>"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; fail "$1 failed; the whole log is $log"; }
}
# The newest Python that is new enough, or nothing.
find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
wanted_packages() {
    sed -n "/^[^#].*[[ ]\\(runtime\\|$profile\\)[] ]/s/ .*//p" bindep.txt
    if ! command -v python3 >/dev/null; then
        echo python3 python3-venv
    elif [ ! -x .venv/bin/python ] && ! "$(find_python)" -c 'import ensurepip' 2>/dev/null; then
        # Debian splits this part of Python off.
        case $(find_python) in
            '') ;;
            python3) echo python3-venv ;;
            *) echo "$(find_python)-venv" ;;
        esac
    fi
}
fingerprint() {
    { pwd; cat setup.cfg pyproject.toml constraints.txt bindep.txt tools/setup.sh; } | sha256sum
}

if [ "$profile" = ansible ]; then
    # In an environment of its own: it is 500 MB. Its collection for OpenStack does not work with the newest SDK.
    [ -x .cache/ansible/bin/ansible-playbook ] && exit 0
    say "Setting up Ansible (log: $log)"
    logged "$(find_python)" -m venv .cache/ansible
    logged .cache/ansible/bin/pip install ansible==12.3.0 openstacksdk==4.4.0
    exit 0
fi
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint)" ]; then
    exit 0
fi
say "Setting up (log: $log)"
: >"$log"

missing=
if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    for package in $(wanted_packages); do
        installed "$package" || missing="$missing $package"
    done
else
    say "  This is neither Debian nor Ubuntu; these must be there:" $(wanted_packages)
fi
if [ -n "$missing" ]; then
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "these Debian packages are missing:$missing. Run it as root, or install sudo."
        as_root=sudo
        sudo -v || fail "these Debian packages are missing:$missing. sudo did not let us install them."
    fi
    say "  Debian packages:$missing"
    logged $as_root apt-get -q -o DPkg::Lock::Timeout=300 update
    # shellcheck disable=SC2086  # a list of words
    logged $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing
fi

python=$(find_python)
[ -n "$python" ] || fail "Python 3.11 or newer is needed; python3 here is $(python3 -V 2>&1). On Ubuntu 22.04: \
apt-get install python3.11-venv, then run this again."
if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "  Python environment: .venv ($("$python" -V))"
    rm -rf .venv
    logged "$python" -m venv .venv
fi
say "  Python libraries (a minute or two the first time)"
# The build tool comes from the constraints too: no second, unpinned download in an isolated build.
logged .venv/bin/python -m pip install --no-input -c constraints.txt setuptools
logged .venv/bin/python -m pip install --no-input -c constraints.txt --no-build-isolation -e ".$extras"
fingerprint >"$stamp"
say "Set up in $(($(date +%s) - started)) s."
