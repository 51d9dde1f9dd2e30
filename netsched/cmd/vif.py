"""netsched-vif: be the compute service for one port: give it to a namespace or a tap device of this host."""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from netsched import errors
from netsched.agents.kernel import plug, vif
from netsched.cli import connection
from netsched.cli.client import Client, CommandFailed
from netsched.cmd import start
from netsched.model import addressing, kinds

ABOUT = "Give a port to a network namespace or a tap device of this host, or take it back. Needs root."
EPILOG = """examples:
  netsched-vif plug --wait 30 PORT              a namespace vif-... with eth0, its addresses and a default route
  netsched-vif plug --namespace web-1 --address none PORT        a namespace whose own DHCP client will ask
  netsched-vif plug --tap PORT                  a tap device, for: qemu-system-x86_64 -netdev tap,ifname=tap...
  netsched-vif unplug PORT
PORT is a port's id. The server is found as by the netsched command: OS_ENDPOINT, OS_CLOUD and their options."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_POLL = 0.2  # s between looks at the port


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    if os.geteuid() != 0:
        return start.die("links and namespaces need root")
    try:
        client = connection.connect(options)
        return plug_port(client, options) if options.command == "plug" else unplug_port(client, options)
    except CommandFailed as error:
        start.die(str(error))
        return error.exit_code
    except errors.NetschedError as error:
        return start.die(str(error))


def plug_port(client: Client, options: argparse.Namespace) -> int:
    port = client.get(f"/ports/{options.port}", "port")
    host = options.host or _this_host(client)
    if port["binding:host_id"] != host:
        port = client.put(f"/ports/{port['id']}", {"port": {"binding:host_id": host}})["port"]
    if _refusal(port) and not options.wait:
        return start.die(_missing(port, host))
    wanted = _vif(client, port, options)
    if options.tap:
        vif.plug_tap(wanted)
        print(f"port {port['id']}: {wanted.tap} on {host}")
    else:
        namespace = options.namespace or f"vif-{port['id'][:11]}"
        name = vif.plug_namespace(wanted, namespace)
        print(
            f"port {port['id']}: {name} in namespace {namespace} on {host}, {wanted.mac} {' '.join(wanted.addresses)}"
        )
    status = _wait(client, port, host, options.wait)
    if status == 0 and not options.tap:
        vif.announce(wanted, namespace, name)
    return status


def unplug_port(client: Client, options: argparse.Namespace) -> int:
    """Also of a port that is deleted: what is here goes in any case."""
    removed = vif.unplug(plug.tap(options.port))
    print(
        f"port {options.port}: "
        + (f"taken from {removed or 'its tap device'}" if removed is not None else "not plugged here")
    )
    found = client.list("/ports", "ports", id=options.port)
    if found and found[0]["binding:host_id"] == (options.host or _this_host(client)):
        client.put(f"/ports/{options.port}", {"port": {"binding:host_id": ""}})
    return 0


def _vif(client: Client, port: dict[str, Any], options: argparse.Namespace) -> vif.Vif:
    network = client.get(f"/networks/{port['network_id']}", "network")
    addresses: list[str] = []
    gateways: dict[int, str] = {}
    for fixed in port["fixed_ips"] if options.address == "static" and not options.tap else ():
        subnet = client.get(f"/subnets/{fixed['subnet_id']}", "subnet")
        if subnet["ipv6_ra_mode"] in addressing.AUTO_MODES:
            continue  # the kernel makes this very address when it hears the router
        addresses.append(f"{fixed['ip_address']}/{subnet['cidr'].rpartition('/')[2]}")
        if subnet["gateway_ip"]:
            gateways.setdefault(subnet["ip_version"], subnet["gateway_ip"])
    return vif.Vif(
        tap=plug.tap(port["id"]),
        mac=port["mac_address"].lower(),
        mtu=network["mtu"],
        addresses=tuple(addresses),
        gateways=tuple(gateways.values()),
    )


def _this_host(client: Client) -> str:
    """As the L2 agent here calls it: the one whose tunnels end at an address of this host, else the machine's name."""
    mine, name = vif.own_addresses(), socket.gethostname()
    agents = client.list("/agents", "agents", agent_type=kinds.L2_AGENT)
    here = [agent["host"] for agent in agents if agent["configurations"].get("tunneling_ip") in mine]
    return name if name in here or not here else str(here[0])


def _wait(client: Client, port: dict[str, Any], host: str, seconds: float) -> int:
    """Until the port is ACTIVE; with 0 seconds not at all."""
    deadline = time.monotonic() + seconds
    while seconds:
        port = client.get(f"/ports/{port['id']}", "port")
        if port["status"] == "ACTIVE":
            return 0
        if time.monotonic() >= deadline:
            return start.die(f"not ACTIVE within {seconds:g} s: {_missing(port, host)}")
        time.sleep(_POLL)
    return 0


def _refusal(port: dict[str, Any]) -> str | None:
    failed = port["binding:vif_type"] == "binding_failed"
    return port["binding:vif_details"].get("reason", "the server gives no reason") if failed else None


def _missing(port: dict[str, Any], host: str) -> str:
    """What stands between this port and ACTIVE, as far as can be seen from here."""
    if refusal := _refusal(port):
        return f"port {port['id']} cannot be bound to {host}: {refusal}"
    if not port["admin_state_up"]:
        return "the port's admin_state_up is false"
    if not vif.is_in_bridge(plug.tap(port["id"])):
        return f"the L2 agent on {host} has not wired it, see: netsched agent list --host {host}"
    return f"no DHCP agent has made its reservation yet, see: netsched explain network {port['network_id']}"


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("port", metavar="PORT", type=_port_id, help="id of the port")
    shared.add_argument("--host", help="this host, as its L2 agent calls it (default: that agent is looked for)")
    connection.add_options(shared, os.environ)
    shared.add_argument("--url", dest="os_endpoint", default=argparse.SUPPRESS, help="the same as --os-endpoint")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="netsched-vif", description=ABOUT, epilog=EPILOG, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", required=True, metavar="{plug,unplug}")
    one = commands.add_parser("plug", help="give the port a link", parents=[shared], epilog=EPILOG, formatter_class=raw)
    where = one.add_mutually_exclusive_group()
    where.add_argument("--namespace", type=_namespace, help="to which; made if missing (default: vif-<port's id>)")
    where.add_argument("--tap", action="store_true", help="make a tap device instead, for a virtual machine")
    one.add_argument(
        "--address",
        choices=("static", "none"),
        default="static",
        help="set the port's addresses and a default route, or leave that to a DHCP client (default: %(default)s)",
    )
    one.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="until the port is ACTIVE")
    two = commands.add_parser("unplug", help="take it away", parents=[shared], epilog=EPILOG, formatter_class=raw)
    two.add_argument("--namespace", type=_namespace, help="ignored: the link knows its namespace")
    return parser


def _port_id(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no id of a port; see: netsched port list")
    return text


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no name for a namespace")
    return text


if __name__ == "__main__":
    sys.exit(main())
