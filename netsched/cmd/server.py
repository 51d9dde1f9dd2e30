"""netsched-server: API, message endpoints and workers in one process, or without the API (--workers)."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oslo_config import cfg

from netsched import errors
from netsched.cmd import start
from netsched.server import concurrency

if TYPE_CHECKING:
    from netsched.server.wiring import Server

LOG = logging.getLogger(__name__)
LEAVE_WITHIN = 60.0  # s to write and send what is left: two statements that time out
ABOUT = """Serve the Networking API, schedule, and talk to the agents.
Example: netsched-server --config-file /etc/netsched/netsched.conf"""
CLI = [
    cfg.BoolOpt("workers", default=False, help="No API: only workers and messages, beside a WSGI server elsewhere."),
    cfg.BoolOpt("insecure-noauth", default=False, help="Listen beyond loopback although nobody is authenticated."),
]


def main(argv: Sequence[str] | None = None) -> int:
    conf = start.configure("netsched-server", ABOUT, argv, CLI)
    if problem := unsafe(conf):
        return start.die(problem)
    sock = None
    if not conf.workers:
        try:
            sock = concurrency.listen(conf.api.bind_host, conf.api.bind_port)
        except OSError as error:
            where = f"{conf.api.bind_host}:{conf.api.bind_port}"
            return start.die(f"cannot listen on {where}: {error.strerror}. Set [api] bind_host and bind_port.")
    if conf.server.processes == 1:
        return serve(conf, sock)
    return fork(conf, sock)


def unsafe(conf: start.Conf) -> str | None:
    """Why this configuration must not be served, None if it may."""
    if conf.workers or conf.insecure_noauth or conf.api.auth_strategy != "noauth":
        return None
    host = conf.api.bind_host
    if _is_loopback(host):
        return None
    return (
        f"auth_strategy = noauth believes whoever asks, so it listens on loopback only, not on {host}. "
        "Set [api] bind_host = 127.0.0.1, or say --insecure-noauth if the network in front of it is trusted."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"  # another name may mean anything, tomorrow something else than today


def fork(conf: start.Conf, sock: socket.socket | None) -> int:
    """Run [server] processes children over one listening socket; stop all when one ends or a signal comes."""
    children = []
    for _ in range(conf.server.processes):
        pid = os.fork()
        if pid == 0:
            os._exit(serve(conf, sock))
        children.append(pid)
    if sock is not None:
        sock.close()  # or callers would wait here, where nobody answers, once the children listen no more

    def stop(*_: object) -> None:
        for child in children:
            os.kill(child, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    ended, status = os.wait()
    children.remove(ended)
    stop()
    for child in children:
        os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def serve(conf: start.Conf, sock: socket.socket | None) -> int:
    """One process: prepare concurrency first, then import and wire everything, then wait for a signal."""
    concurrency.prepare(conf.server.concurrency)
    from netsched.server import wiring
    from netsched.server.api.v2.health import PATHS

    stopping = start.stop_signal(patient=False)
    try:
        server = wiring.build(conf, role="workers" if sock is None else "server")
        server.start()
    except errors.NetschedError as error:
        return start.die(str(error))
    http = None
    if sock is not None:
        http = concurrency.serve_http(conf.server.concurrency, server.application, sock, conf.server.threads, PATHS)
        host, port = sock.getsockname()[:2]
        print(f"netsched-server: listening on http://{host}:{port}, pid {os.getpid()}", flush=True)
        if conf.api.auth_strategy == "noauth":
            print("netsched-server: noauth: whoever can connect is believed", flush=True)
    start.wait(stopping)
    _end(conf, server, http)
    return 0


def _end(conf: start.Conf, server: Server, http: concurrency.HttpServer | None) -> None:
    """In this order: tell load balancers, answer who has asked, write and send what is left. A second signal kills."""
    server.drain()
    if http is not None:
        time.sleep(conf.server.stop_delay)
        http.stop(conf.server.stop_within)
    # A database or a broker that is away must not keep a process that nobody needs any more.
    too_late = threading.Timer(LEAVE_WITHIN, _give_up)
    too_late.daemon = True
    too_late.start()
    server.stop()
    too_late.cancel()


def _give_up() -> None:
    LOG.error("it did not end within %.0f s; nothing that was acknowledged is lost", LEAVE_WITHIN)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
