"""Which transport a URL means. The only place that chooses."""

from __future__ import annotations

from typing import Any, Literal

from netsched import errors
from netsched.rpc.transport import Transport

UNIX = "unix://"
BROKERS = ("rabbit://", "amqp://", "rabbits://", "amqps://")


def server(url: str, conf: Any, executor: Literal["threading", "eventlet"] = "threading") -> Transport:
    """A server's transport. `conf` is the global oslo.config object, for oslo.messaging alone."""
    if url.startswith(UNIX):
        from netsched.rpc import unix

        return unix.UnixServerTransport(url.removeprefix(UNIX))
    return _broker(url, conf, executor)


def agent(url: str, conf: Any) -> Transport:
    """An agent's transport. Agents run on native threads, always."""
    if url.startswith(UNIX):
        from netsched.rpc import unix

        return unix.UnixAgentTransport(url.removeprefix(UNIX))
    return _broker(url, conf, "threading")


def _broker(url: str, conf: Any, executor: Literal["threading", "eventlet"]) -> Transport:
    if not url.startswith(BROKERS):
        raise errors.Invalid(reason="[messaging] transport must begin with unix:// or rabbit://")
    from netsched.rpc import amqp  # oslo.messaging costs half a second to import, which a Unix socket need not pay

    amqp.set_defaults(conf)
    conf.set_override("transport_url", url)
    return amqp.AmqpTransport(conf, executor)
