"""radvd's configuration: what tenants wrote cannot add to it."""

from __future__ import annotations

from typing import Any

import pytest

from netsched.agents.l3 import radvd_conf


def subnet(**attributes: Any) -> dict[str, Any]:
    return {"id": "s", "cidr": "fd00:1::/64", "ipv6_ra_mode": "slaac", "dns_nameservers": [], **attributes}


def test_slaac() -> None:
    config = radvd_conf.interface("qr-1", 1400, [subnet(dns_nameservers=["fd00:d::53", "10.0.0.53"])])
    lines = [line.strip() for line in config.splitlines()]
    assert lines[0] == "interface qr-1 {" and lines[-1] == "};"
    assert {"AdvLinkMTU 1400;", "AdvManagedFlag off;", "AdvOtherConfigFlag off;", "AdvAutonomous on;"} <= set(lines)
    assert "RDNSS fd00:d::53 { };" in lines and "10.0.0.53" not in config


@pytest.mark.parametrize(
    ("mode", "managed", "other", "autonomous"),
    [("slaac", "off", "off", "on"), ("dhcpv6-stateless", "off", "on", "on"), ("dhcpv6-stateful", "on", "on", "off")],
)
def test_flags(mode: str, managed: str, other: str, autonomous: str) -> None:
    config = radvd_conf.interface("qr-1", 1400, [subnet(ipv6_ra_mode=mode)])
    assert f"AdvManagedFlag {managed};" in config and f"AdvOtherConfigFlag {other};" in config
    assert f"AdvAutonomous {autonomous};" in config


def test_two_subnets_are_two_prefixes_of_one_interface() -> None:
    config = radvd_conf.interface("qr-1", 1400, [subnet(), subnet(id="t", cidr="fd00:2::/64")])
    assert config.count("interface") == 1 and config.count("prefix") == 2


@pytest.mark.parametrize(
    "text",
    [
        "fd00::1 { };\n};\ninterface eth0 {",
        "fd00::1; AdvDefaultLifetime 9000",
        "fd00::1%eth0",
        "fd00::1 ",
        "::1\n",
        "#",
    ],
)
def test_a_name_server_that_is_no_address_is_left_out(text: str) -> None:
    assert radvd_conf.interface("qr-1", 1400, [subnet(dns_nameservers=[text])]) == radvd_conf.interface(
        "qr-1", 1400, [subnet()]
    )


def test_a_prefix_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a valid netmask"):
        radvd_conf.interface("qr-1", 1400, [subnet(cidr="fd00::/64 { }; };")])


@pytest.mark.parametrize("bad", ["", "a/b", "a b", "..", "a\n", "-x"])
def test_ids_that_are_no_part_of_a_path(bad: str) -> None:
    assert not radvd_conf.safe_id(bad)
