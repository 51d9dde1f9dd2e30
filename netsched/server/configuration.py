"""What the configuration says, as the plain values of which a server is built."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from netsched.conf import opts, quotas
from netsched.model import provider
from netsched.model.provider import ProviderSettings
from netsched.rpc import connect
from netsched.scheduler import grizzly, profile
from netsched.server.api.app import ApiSettings
from netsched.server.services.delivery import DeliverySettings
from netsched.server.services.heartbeat import HeartbeatSettings
from netsched.server.services.scheduling import SchedulingSettings
from netsched.server.services.upkeep import Retention
from netsched.server.services.waiting import WaitSettings

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the configuration says, as plain values; the defaults are the configuration's."""

    provider: ProviderSettings = field(default_factory=ProviderSettings)
    base_mac: str = "fa:16:3e:00:00:00"
    dns_domain: str = "openstacklocal"
    replicas: int = 1
    write_delay: float = 0.8
    heartbeat: HeartbeatSettings = field(default_factory=HeartbeatSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    scheduling: SchedulingSettings = field(default_factory=SchedulingSettings)
    retention: Retention = field(default_factory=Retention)
    api: ApiSettings = field(default_factory=ApiSettings)
    waiting: WaitSettings = field(default_factory=WaitSettings)
    host: str = field(default_factory=socket.gethostname)
    role: str = "server"
    brokered: bool = False  # messages go through a broker, not through a socket of this server
    quotas: Mapping[str, int] = field(default_factory=dict)  # limits by kind of object; others have none


def settings_from(conf: Any, role: str) -> Settings:
    """Plain values out of oslo.config's object, old names translated, each with a hint in the log."""
    opts.register(conf)
    read = _with_old_names(conf, LOG.warning)
    interval = float(read("heartbeat", "interval"))
    chosen = profile.configured(
        str(read("scheduler", "profile")),
        filters=tuple(conf.scheduler.filters) if conf.scheduler.filters else None,
        weighers={name: float(weight) for name, weight in (conf.scheduler.weighers or {}).items()} or None,
        auto_schedule=conf.scheduler.auto_schedule,
        move_from_dead=conf.scheduler.move_from_dead,
        alternates=conf.scheduler.alternates,
        move_failing_after=conf.scheduler.move_failing_after,
    )
    chosen = replace(chosen, left_to_operators=_words(read("scheduler", "left_to_operators")))
    agree_on = {
        "mtu": conf.network.underlay_mtu,
        "vxlan_port": conf.linux_bridge.vxlan_port,
        "dns_domain": conf.network.dns_domain,
        "lease_time": conf.dhcp.lease_time,
    }
    return Settings(
        provider=ProviderSettings(
            tenant_network_type=conf.segment.tenant_network_type,
            vni_ranges=provider.parse_vni_ranges(conf.segment.vni_ranges),
            vlan_ranges=provider.parse_vlan_ranges(conf.segment.network_vlan_ranges),
            flat_networks=tuple(conf.segment.flat_networks),
            underlay_mtu=conf.network.underlay_mtu,
            overlay_ip_version=conf.network.overlay_ip_version,
        ),
        base_mac=conf.network.base_mac,
        dns_domain=conf.network.dns_domain,
        replicas=conf.scheduler.dhcp_agents_per_network,
        write_delay=min(conf.heartbeat.write_delay, interval / 10),  # agents repeat what is not answered soon
        heartbeat=HeartbeatSettings(interval, conf.heartbeat.max_beats, conf.heartbeat.new_agents_enabled, agree_on),
        delivery=DeliverySettings(conf.delivery.mode, conf.delivery.payload),
        scheduling=SchedulingSettings(chosen, conf.scheduler.unbind_hold, conf.scheduler.max_moves),
        retention=Retention(
            changes=conf.database.keep_changes,
            change_rows=conf.database.keep_change_rows,
            decisions=conf.database.keep_decisions,
            dead_agents=conf.database.keep_dead_agents,
        ),
        api=ApiSettings(conf.api.max_limit, conf.api.max_body, conf.api.forwarded, conf.api.open_metrics),
        waiting=WaitSettings(max(1, conf.server.threads // 2)),
        host=conf.server.host or socket.gethostname(),
        role=role,
        brokered=connect.brokered(conf.messaging.transport),
        quotas={name: conf.quotas[f"quota_{name}"] for name in quotas.DEFAULTS},
    )


def _with_old_names(conf: Any, hint: Callable[..., None]) -> Callable[[str, str], Any]:
    """A reader of options that lets what Grizzly's names say come first."""
    old = {name: str(conf.scheduler[name]) for name in grizzly.NAMES if conf.scheduler[name] is not None}
    translated, hints = grizzly.translate(old)
    for text in hints:
        hint("%s", text)
    return lambda group, name: translated.get(f"{group}.{name}", conf[group][name])


def _words(value: str | list[str]) -> tuple[str, ...]:
    return tuple(value.split(",") if isinstance(value, str) else value)
