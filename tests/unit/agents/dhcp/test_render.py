"""Tenant text cannot add a line, an option or a command: generated hostile text, and files parsed as dnsmasq does."""

from __future__ import annotations

import ipaddress
import re

from hypothesis import given
from hypothesis import strategies as st

from netsched.agents.dhcp import compute, leases, render
from tests.fakes.content import NetworkContent, option, uuid

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="a1.,:#\"'\\ \n\r\t\0\x0b\x0c\x85\u2028=;$`/-[]", max_size=60),
    st.builds(
        lambda n, tail: "a" * n + tail, st.integers(900, 1100), st.sampled_from(["", "\nx", "tag:evil,3,6.6.6.6"])
    ),
    st.sampled_from(
        [
            "1.1.1.1\ntag:evil,option:router,6.6.6.6",
            "x\r\ndhcp-script=/bin/sh",
            '"quoted',
            "\\n",
            "back\\",
            "# comment",
            " #x",
            "",
            "1.1.1.1,2.2.2.2",
            "set:other,1.2.3.4",
            "10.0.0.5%eth0\n",
            "fe80::1%a,b",
        ]
    ),
)
LINE_LIMIT = 1024  # dnsmasq's MAXDNAME - 1: what is longer continues on another line
TAG = f"tag:port-{uuid(5, 2)}"


def lines_as_dnsmasq_reads(text: str) -> list[str]:
    """fgets into a buffer of MAXDNAME, line end by LF; comments, quotes and escapes must not occur at all."""
    raw = text.encode()
    pieces = [line[i : i + LINE_LIMIT] for line in raw.split(b"\n") for i in range(0, len(line), LINE_LIMIT)]
    return [piece.decode() for piece in pieces]


def proper(text: str) -> None:
    assert text == "" or text.endswith("\n")
    assert all(character == "\n" or " " <= character <= "~" for character in text)
    assert not re.search(r"""["\\]|(^|\s)#""", text)


@given(HOSTILE, HOSTILE, st.sampled_from([4, 6, "6", None, "\n"]))
def test_options_of_a_port_stay_one_line_with_its_own_tag(name: str, value: str, version: object) -> None:
    port = {"id": uuid(5, 2), "extra_dhcp_opts": [{"opt_name": name, "opt_value": value, "ip_version": version}]}
    text = render.port_options(port)
    content = text.content()
    proper(content)
    lines = lines_as_dnsmasq_reads(content)
    assert len(lines) + len(text.problems) == 1
    for line in lines:
        assert (
            line.startswith(f"{TAG},option:") or line.startswith(f"{TAG},option6:") or line.startswith(f"{TAG},{name}")
        )
        assert line.endswith(value)
        assert re.fullmatch(r"(option6?:)?[a-z0-9-]+", line.split(",")[1])


@given(st.lists(st.tuples(HOSTILE, HOSTILE), max_size=4))
def test_the_hosts_file_holds_nothing_but_reservations(pairs: list[tuple[str, str]]) -> None:
    good = ("fa:16:3e:00:00:05", "10.0.0.5")
    content = render.hosts([*pairs, good], {}).content()
    proper(content)
    for line in lines_as_dnsmasq_reads(content):
        mac, *middle, address = line.split(",")
        assert render.safe_mac(mac)
        ipaddress.ip_address(address.strip("[]"))
        assert middle in ([render.host_name(address)], ["tag:dhcpv6", render.host_name(address.strip("[]"))])
    assert good in leases.reservations(content)


@given(st.lists(HOSTILE, max_size=4), st.lists(st.tuples(HOSTILE, HOSTILE), max_size=3), st.sampled_from([4, 6]))
def test_options_of_a_subnet(servers: list[str], routes: list[tuple[str, str]], version: int) -> None:
    subnet = {
        "id": uuid(1, 1),
        "ip_version": version,
        "gateway_ip": "10.0.0.1" if version == 4 else "fd00::1",
        "dns_nameservers": servers,
        "host_routes": [{"destination": destination, "nexthop": nexthop} for destination, nexthop in routes],
    }
    content = render.subnet_options(subnet, ["10.0.0.2", "fd00::2"], [], "example.org").content()
    proper(content)
    names = [line.split(",")[:2] for line in lines_as_dnsmasq_reads(content)]
    allowed = {"option:dns-server", "option:router", "option:classless-static-route", "249"}
    allowed |= {"option6:dns-server", "option6:domain-search"}
    assert all(tag == f"tag:subnet-{uuid(1, 1)}" and name in allowed for tag, name in names)
    assert len({name for _, name in names}) == len(names)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_a_whole_network_with_hostile_text_everywhere(name: str, value: str, mac: str, address: str) -> None:
    content = NetworkContent()
    content.subnet(1, "10.0.0.0/24", dns_nameservers=[address], host_routes=[{"destination": value, "nexthop": name}])
    content.dhcp_port(2, "node1", "10.0.0.2")
    hostile = content.port(5, "10.0.0.5", options=[option(name, value)], mac_address=mac, name=name, device_id=value)
    hostile["fixed_ips"].append({"subnet_id": uuid(1, 1), "ip_address": address})
    content.port(6, "10.0.0.6")
    found = compute.desired(content.network_id, content.content, "node1", compute.Settings())
    assert found is not None
    assert "fa:16:3e:00:00:06,host-10-0-0-6,10.0.0.6" in dict(found.files)["hosts"].splitlines()
    for word in found.arguments:
        assert re.fullmatch(r"--[a-z0-9-]+(=[ -~]*)?", word)
    plain = content.copy()
    plain.without_port(5)
    plain.subnet(1, "10.0.0.0/24")
    without = compute.desired(content.network_id, plain.content, "node1", compute.Settings())
    assert without is not None
    extra = set(found.arguments) - set(without.arguments)
    assert all(word.startswith(f"--dhcp-mac=set:port-{uuid(5, 2)},") for word in extra)


def test_long_lines_are_left_out_and_named() -> None:
    text = render.port_options({"id": uuid(5, 2), "extra_dhcp_opts": [option("bootfile-name", "x" * 1000)]})
    assert text.lines == [] and "too long" in text.problems[0]


def test_more_routes_than_an_answer_can_carry() -> None:
    routes = [{"destination": f"192.168.{number}.0/24", "nexthop": "10.0.0.9"} for number in range(40)]
    subnet = {"id": uuid(1, 1), "ip_version": 4, "gateway_ip": "10.0.0.1", "host_routes": routes}
    text = render.subnet_options(subnet, [], [], "")
    assert not any("classless" in line for line in text.lines) and "more host routes" in text.problems[0]


def test_ordinary_values_pass() -> None:
    values = ["pxelinux.0", "http://10.0.0.9:8080/boot?mac=${net0/mac}&x=#y", "10.0.0.1,10.0.0.2", "a b c", None, ""]
    for value in values:
        text = render.port_options({"id": uuid(5, 2), "extra_dhcp_opts": [option("bootfile-name", value)]})
        assert not text.problems and text.lines == [f"{TAG},option:bootfile-name" + (f",{value}" if value else "")]
