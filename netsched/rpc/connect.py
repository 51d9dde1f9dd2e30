"""Which transport a URL means: rabbit://... is the broker, unix:///path the socket of a server on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsched import errors
from netsched.rpc import transport
from netsched.rpc.unix import UnixAgentTransport, UnixServerTransport

if TYPE_CHECKING:
    from oslo_config import cfg

    from netsched.rpc.amqp import Executor


def server(url: str, conf: cfg.ConfigOpts, executor: Executor = "threading") -> transport.Transport:
    """A server's end. `conf` is the global cfg.CONF, which oslo.messaging needs; a Unix socket ignores it.

    `executor` is "eventlet" in a monkey-patched process. Raises Invalid for a URL of another kind.
    """
    path = _socket_path(url)
    return UnixServerTransport(path) if path else _amqp(url, conf, executor)


def agent(url: str, conf: cfg.ConfigOpts) -> transport.Transport:
    """An agent process's end."""
    path = _socket_path(url)
    return UnixAgentTransport(path) if path else _amqp(url, conf, "threading")


def brokered(url: str) -> bool:
    """Do messages go through a broker, which can fail apart from the server?"""
    return _socket_path(url) is None


def _socket_path(url: str) -> str | None:
    scheme, separator, path = url.partition("://")
    if not separator or scheme not in ("unix", "rabbit"):
        raise errors.Invalid(reason="a transport URL begins with unix:// or rabbit://")  # it may hold a password
    if scheme == "rabbit":
        return None
    if not path.startswith("/"):
        raise errors.Invalid(reason=f"{url} names no absolute path")
    return path


def _amqp(url: str, conf: cfg.ConfigOpts, executor: Executor) -> transport.Transport:
    # Imported when wanted: oslo.messaging costs a second and 40 MB, in every child process of `netsched standalone`.
    from netsched.rpc import amqp

    amqp.set_defaults(conf)
    return amqp.AmqpTransport(conf, url, executor)
