"""Options of the incumbent's first agent scheduler, translated to ours, for people who bring their old file."""

from __future__ import annotations

from collections.abc import Mapping

# The names that are understood. What later ones mean wins: report_interval is an interval already, and networks' driver
# chooses the one profile that there is.
NAMES = (
    "agent_down_time",
    "report_interval",
    "router_scheduler_driver",
    "network_scheduler_driver",
    "network_auto_schedule",
    "router_auto_schedule",
)
_LEFT = "scheduler.left_to_operators"
# By the last part of the class path that a driver's option names.
_DRIVERS = {
    "ChanceScheduler": "chance",
    "WeightScheduler": "least_loaded",
    "AZAwareWeightScheduler": "least_loaded",
    "LeastRoutersScheduler": "least_loaded",
    "AZLeastRoutersScheduler": "least_loaded",
}

# The incumbent of that time called an agent down after agent_down_time; here it is dead after this many intervals.
_DEAD_AFTER_INTERVALS = 4


def translate(old_options: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Our options ("group.option" to value, as strings) and one hint per old option, to be printed.

    An option or value that means nothing here gives a hint only. The profile `grizzly` is this driver's complete
    behaviour (random, nothing moves, what is hosted is left alone); the driver's name alone selects the randomness.
    """
    settings: dict[str, str] = {}
    hints: list[str] = []
    order = {name: position for position, name in enumerate(NAMES)}
    for name, value in sorted(old_options.items(), key=lambda item: order.get(item[0], len(order))):
        ours, hint = _translate(name, value.strip())
        if _LEFT in ours and _LEFT in settings:
            ours[_LEFT] = f"{settings[_LEFT]},{ours[_LEFT]}"
        settings.update(ours)
        hints.append(f"{name}={value}: {hint}")
    return settings, tuple(hints)


def _translate(name: str, value: str) -> tuple[dict[str, str], str]:
    if name == "report_interval":
        return {"heartbeat.interval": value}, f"use [heartbeat] interval={value}"
    if name == "agent_down_time":
        return _down_time(value)
    resource, _, option = name.partition("_")
    if option == "scheduler_driver" and name in NAMES:
        return _driver(value)
    if option == "auto_schedule" and name in NAMES:
        return _auto_schedule(resource, value)
    return {}, "not known here, ignored"


def _down_time(value: str) -> tuple[dict[str, str], str]:
    try:
        interval = f"{float(value) / _DEAD_AFTER_INTERVALS:g}"
    except ValueError:
        return {}, "not a number, ignored"
    return {"heartbeat.interval": interval}, (
        f"an agent is dead after {_DEAD_AFTER_INTERVALS} heartbeat intervals, use [heartbeat] interval={interval}"
    )


def _driver(value: str) -> tuple[dict[str, str], str]:
    profile = _DRIVERS.get(value.rpartition(".")[2])
    if profile is None:
        return {}, "no such driver here, ignored; write a filter or weigher and name it in [scheduler]"
    never = "; profile=grizzly also never moves anything" if profile == "chance" else ""
    return {"scheduler.profile": profile}, f"use [scheduler] profile={profile}, for networks and routers alike{never}"


def _auto_schedule(resource: str, value: str) -> tuple[dict[str, str], str]:
    if value.lower() in ("true", "1", "yes", "on"):
        return {}, "so it is without that, remove it"
    return {_LEFT: resource}, f"use [scheduler] left_to_operators={resource}"
