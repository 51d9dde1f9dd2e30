"""All option groups, for registration and for the sample generator."""

from __future__ import annotations

from typing import Any

from netsched.conf import (
    agent,
    api,
    database,
    delivery,
    dhcp,
    heartbeat,
    l3,
    linux_bridge,
    messaging,
    network,
    quotas,
    scheduler,
    segment,
    server,
)

MODULES = (
    agent,
    api,
    database,
    delivery,
    dhcp,
    heartbeat,
    l3,
    linux_bridge,
    messaging,
    network,
    quotas,
    scheduler,
    segment,
    server,
)


def register(conf: Any) -> None:
    """Register every group on an oslo.config object; a second time is harmless."""
    for module in MODULES:
        conf.register_opts(module.OPTS, group=module.GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """Entry point of oslo.config.opts."""
    return [(module.GROUP, list(module.OPTS)) for module in MODULES]
