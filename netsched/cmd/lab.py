"""netsched-lab: hosts of this machine's own with agents on them, to try netsched on. The tutorial's stage.

Each host is a private network namespace with its own bridges and routers; `on` in the data directory runs a command on
one of them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import sys
from collections.abc import Sequence

from netsched import errors
from netsched.cmd import start
from netsched.cmd.site import API_PORT, UNDERLAY, Site

EPILOG = """It needs root, keeps everything inside namespaces that it makes, and takes them away when it ends (Ctrl-C).

examples:
  netsched-lab --data /tmp/lab
  netsched-lab --data /tmp/lab --hosts node-1 node-2 node-3 --world 203.0.113.1/24
  /tmp/lab/on node-1 ip link            a command on a host, in another terminal"""

_ON = """#!/bin/sh
# on HOST COMMAND...: run a command on a host of the lab.
hosts="$(dirname "$0")/hosts" host=$1
shift
pid=$(cat "$hosts/$host" 2>/dev/null) || {{
    echo "no host $host; there are: $(ls "$hosts" | xargs)" >&2
    exit 1
}}
export OS_ENDPOINT=http://127.0.0.1:{port} OS_AUTH_TYPE=none PATH="{path}:$PATH"
exec nsenter --wd="$PWD" -t "$pid" -m -n "$@"
"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="netsched-lab", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, required=True, help="directory for database, logs and `on`")
    parser.add_argument("--hosts", nargs="+", default=["node-1", "node-2"], help="their names (default: node-1 node-2)")
    parser.add_argument(
        "--world",
        default="203.0.113.1/24",
        help="address of the machine outside, on the physical network `public` (default: %(default)s)",
    )
    options = parser.parse_args(argv)
    if os.geteuid() != 0:
        return start.die("the lab makes network namespaces, which needs root")
    stopping = start.stop_signal()
    try:
        with contextlib.ExitStack() as closing:
            site = _build(options, closing)
            _welcome(site, options)
            stopping.wait()
            print("taking the hosts away", flush=True)
    except (errors.NetschedError, OSError) as error:
        return start.die(str(error))
    return 0


def _build(options: argparse.Namespace, closing: contextlib.ExitStack) -> Site:
    options.data.mkdir(parents=True, exist_ok=True)
    site = Site(options.data.resolve(), closing)
    hosts = options.data / "hosts"
    hosts.mkdir(exist_ok=True)
    for name in options.hosts:
        node = site.add_node(name, physical=("public",))
        (hosts / name).write_text(f"{node.host.pid}\n")
    (hosts / "world").write_text(f"{site.outside('public', options.world).pid}\n")
    on = options.data / "on"
    on.write_text(_ON.format(port=API_PORT, path=pathlib.Path(sys.executable).parent))
    on.chmod(0o755)
    (options.data / "env").write_text(f"export OS_ENDPOINT={site.url} OS_AUTH_TYPE=none\n")
    site.wait_for_agents()
    return site


def _welcome(site: Site, options: argparse.Namespace) -> None:
    print(f"The lab is up: {', '.join(options.hosts)}, each with DHCP, L3 and L2 agents, joined by {UNDERLAY}0/24,")
    print(f"  each with an uplink `public` to the world, {options.world}.")
    print(f"  . {options.data}/env                 sets OS_ENDPOINT, for netsched and openstack")
    print(f"  {options.data}/on {options.hosts[0]} COMMAND       runs a command on a host")
    print(f"  logs are in {options.data}/log; Ctrl-C ends it", flush=True)


if __name__ == "__main__":
    sys.exit(main())
