"""Clusters of three on one machine: RabbitMQ, MariaDB Galera, and the HAProxy through which a server finds a live node.

docs/clusters.rst has the same settings for machines of their own. Nodes start one after another; a killed node that is
started again joins the others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import pymysql

from tests.servers import MariaDB, RabbitMQ, Server, _program, free_port

SYNC_LIMIT = 90.0  # s; a joiner takes 6 s on an idle machine


class _Cluster:
    """Servers that begin and end together. `nodes`: in the order of their start."""

    nodes: Sequence[Server]

    def start(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.close()


class RabbitCluster(_Cluster):
    nodes: list[RabbitMQ]

    def __init__(self, size: int = 3) -> None:
        first = RabbitMQ()
        self.nodes = [first, *(RabbitMQ(beside=first) for _ in range(size - 1))]

    def start(self) -> None:
        first, *others = self.nodes
        first.start()
        for node in others:
            node.start()
            node.ctl("stop_app")
            node.ctl("join_cluster", first.node)
            node.ctl("start_app")

    def transport_url(self) -> str:
        """Of a fresh virtual host, with all nodes."""
        scheme, rest = self.nodes[0].transport_url().split("://")
        user, place = rest.split("@")
        hosts = ",".join(f"{user}@127.0.0.1:{node.port}" for node in self.nodes)
        return f"{scheme}://{hosts}/{place.split('/')[1]}"

    def leaders(self, vhost: str) -> dict[str, str]:
        """Which node leads each quorum queue."""
        living = next(node for node in self.nodes if node.pid is not None)
        lines = living.ctl("list_queues", "-p", vhost, "--no-table-headers", "name", "leader").splitlines()
        return dict(line.split("\t") for line in lines if "\t" in line)


class Galera(_Cluster):
    """All nodes take writes, and answer reads with what the others have committed before (wsrep_sync_wait)."""

    nodes: list[MariaDB]

    def __init__(self, size: int = 3) -> None:
        self.nodes = [MariaDB() for _ in range(size)]
        ports = [(free_port(), free_port(), free_port()) for _ in self.nodes]
        everybody = ",".join(f"127.0.0.1:{replication}" for replication, _, _ in ports)
        for node, (replication, transfer, catching_up) in zip(self.nodes, ports, strict=True):
            provider = f"gmcast.listen_addr=tcp://127.0.0.1:{replication};ist.recv_addr=127.0.0.1:{catching_up}"
            node.options = [
                "--binlog-format=ROW",
                "--innodb-autoinc-lock-mode=2",
                "--wsrep-on=ON",
                f"--wsrep-provider={_program('/usr/lib/galera/libgalera_smm.so', 'galera-4')}",
                f"--wsrep-provider-options={provider}",
                f"--wsrep-cluster-address=gcomm://{everybody}",
                f"--wsrep-node-address=127.0.0.1:{replication}",
                f"--wsrep-node-name=node-{node.port}",
                "--wsrep-sst-method=rsync",
                f"--wsrep-sst-receive-address=127.0.0.1:{transfer}",
                "--wsrep-sync-wait=1",
            ]

    def start(self) -> None:
        first, *others = self.nodes
        first.options.append("--wsrep-new-cluster")
        first.start()
        first.options.remove("--wsrep-new-cluster")
        for node in others:
            self.join(node)

    def join(self, node: MariaDB) -> None:
        """Start a node beside living ones; returns when it has all that they have."""
        position = self._recovered(node)
        node.options += position
        node.start()
        node.options = node.options[: -len(position) or None]
        deadline = time.monotonic() + SYNC_LIMIT
        while self.status(node, "wsrep_local_state_comment") != "Synced":
            assert time.monotonic() < deadline, node.directory
            time.sleep(0.1)

    def _recovered(self, node: MariaDB) -> list[str]:
        """Where it was when it died, as systemd's unit asks, too: it is then sent what it lacks, instead of everything
        by a donor that stands still meanwhile."""
        data, log = node.directory / "data", node.directory / "recovery.log"
        if not data.exists():
            return []
        log.unlink(missing_ok=True)
        program = _program("/usr/sbin/mariadbd", "mariadb-server")
        alone = ["--skip-networking", f"--socket={node.directory}/recovery.sock", f"--log-error={log}"]
        node._run(program, "--no-defaults", f"--datadir={data}", "--wsrep-recover", *alone, *node.options)
        found = re.findall(r"Recovered position: (\S+)", log.read_text())
        return [f"--wsrep-start-position={found[-1]}"]

    def status(self, node: MariaDB, name: str) -> str:
        try:
            ((_, value),) = node.execute(f"SHOW STATUS LIKE '{name}'")
        except pymysql.err.Error as error:
            return str(error)
        return str(value)

    def urls(self) -> list[str]:
        """Of one fresh, empty database, by node."""
        url = self.nodes[0].url()
        return [url.replace(f":{self.nodes[0].port}/", f":{node.port}/") for node in self.nodes]


class HAProxy(Server):
    """Leads to the first of `ports` that answers; what goes to one that stops answering is cut off."""

    def __init__(self, *ports: int) -> None:
        super().__init__()
        spare = [f"    server n{port} 127.0.0.1:{port} check inter 1s fall 2 rise 2 backup" for port in ports[1:]]
        lines = [
            "defaults",
            "    mode tcp",
            "    timeout connect 5s",
            "    timeout client 1h",
            "    timeout server 1h",
            "    default-server on-marked-down shutdown-sessions",
            "listen galera",
            f"    bind 127.0.0.1:{self.port}",
            f"    server n{ports[0]} 127.0.0.1:{ports[0]} check inter 1s fall 2 rise 2",
            *spare,
        ]
        (self.directory / "haproxy.cfg").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        program = _program("/usr/sbin/haproxy", "haproxy")
        self._process = self._launch(program, "-db", "-f", str(self.directory / "haproxy.cfg"))
        self._wait(self._answers)

    def _answers(self) -> bool:
        """It has begun to listen, and a node behind it greets."""
        try:
            pymysql.connect(host="127.0.0.1", port=self.port, user="root").close()
        except pymysql.err.Error:
            return False
        return True
