"""Real RabbitMQ, PostgreSQL and MariaDB for the tests, each on free loopback ports in a directory of its own.

    with PostgreSQL() as server:
        database = Database(server.url())

`stop` and `start` keep ports and data, so a test can play an outage; leaving the `with` block removes everything.
Each server dies with the process that started it. Settings trade durability for speed, since nothing outlives a test
run; `durable=True` is how a deployment runs, for benchmarks. With `tls`, a server takes encrypted connections, too.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2
import psycopg2.extensions
import pymysql

from tests.certificates import Certificate

START_LIMIT = 90.0  # seconds; a start takes 0.3 s (databases) to 6 s (RabbitMQ) on an idle machine
STOP_LIMIT = 30.0


class ServerError(Exception):
    """A server did not come up; the message holds the end of its log."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _program(pattern: str, package: str) -> str:
    """The newest program that matches `pattern`, or an error that names the Debian package which has it."""
    found = sorted(glob.glob(pattern), key=lambda path: (len(path), path))
    if not found:
        raise ServerError(f"{pattern} is missing: install the Debian package {package} (tools/setup.sh does)")
    return found[-1]


class Server:
    """One server process, its directory and its log."""

    user = "root"

    def __init__(self) -> None:
        # Not under TMPDIR: the servers' own users must reach it, and Unix socket paths must stay short.
        self.directory = Path(tempfile.mkdtemp(prefix=f"netsched-{type(self).__name__.lower()}-", dir="/tmp"))
        shutil.chown(self.directory, self.user)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = self.directory / "server.log"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the server's first process, None while it does not run."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the server and return when it answers; ServerError when it does not."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the server in good order. Data and port stay for the next `start`."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a crash does (SIGKILL). Data and port stay for the next `start`."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End the server and remove its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _own(self, tls: Certificate) -> Certificate:
        """Copies of the files that the server's user may read, and nobody else, as servers demand of keys."""
        copied = [Path(shutil.copy(one, self.directory)) for one in (tls.certificate, tls.key, tls.authority)]
        for path in copied:
            shutil.chown(path, self.user)
            path.chmod(0o600)
        return Certificate(*copied)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _as_user(self, *command: str) -> list[str]:
        """`command` as the server's own user, killed by the kernel when this process dies."""
        user = pwd.getpwnam(self.user)
        identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"] if user.pw_uid else []
        return ["setpriv", "--pdeathsig", "KILL", *identity, *command]

    def _launch(self, *command: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._as_user(*command),
                cwd=self.directory,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for the tests, which then stop the server
            )

    def _run(self, *command: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            self._as_user(*command),
            cwd=self.directory,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise ServerError(f"{command[0]} failed ({done.returncode}): {done.stderr or done.stdout}")
        return done.stdout

    def _wait(self, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_LIMIT
        while not answers():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise ServerError(f"{type(self).__name__} {'ended' if ended else 'is silent'}: {self._log_end()}")
            time.sleep(0.05)

    def _log_end(self) -> str:
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else "no log"


class PostgreSQL(Server):
    user = "postgres"

    def __init__(self, durable: bool = False, tls: Certificate | None = None) -> None:
        super().__init__()
        self._durable = durable
        self._tls = self._own(tls) if tls else None

    def start(self) -> None:
        binaries = os.path.dirname(_program("/usr/lib/postgresql/*/bin/postgres", "postgresql"))
        data = self.directory / "data"
        if not data.exists():
            self._run(f"{binaries}/initdb", "-D", str(data), "-A", "trust", "-N", "-U", "postgres", "-E", "UTF8")
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.directory),
            "max_connections": "500",
            "shared_buffers": "32MB",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        if self._tls:
            settings |= {"ssl": "on", "ssl_cert_file": str(self._tls.certificate), "ssl_key_file": str(self._tls.key)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = self._launch(f"{binaries}/postgres", "-D", str(data), "-p", str(self.port), *options)
        self._wait(self._answers)

    def stop(self) -> None:
        self._end(signal.SIGINT)  # "fast": SIGTERM would wait for every client to leave

    def kill(self) -> None:
        self._end(signal.SIGQUIT)  # "immediate": no checkpoint, recovery at the next start; its children end as well

    def _connect(self) -> psycopg2.extensions.connection:
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres")
        connection.autocommit = True
        return connection

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def execute(self, statement: str) -> None:
        """Run one statement as the server's administrator."""
        connection = self._connect()
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def url(self, like: str | None = None) -> str:
        """The SQLAlchemy URL of a fresh database, empty or a copy of the one made by an earlier call."""
        name = f"netsched_{uuid.uuid4().hex[:12]}"
        template = like.rsplit("/", 1)[1] if like else "template0"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{name}"

    def drop(self, url: str) -> None:
        """Remove a database made by `url`, also while somebody is connected."""
        self.execute(f"DROP DATABASE {url.rsplit('/', 1)[1]} WITH (FORCE)")


class MariaDB(Server):
    user = "mysql"  # it refuses root, and would drop to nobody for some of its helpers

    def __init__(self, durable: bool = False, tls: Certificate | None = None) -> None:
        super().__init__()
        self.options: list[str] = []  # further ones, for the next start
        self._durable = durable
        self._tls = self._own(tls) if tls else None

    def start(self) -> None:
        data = self.directory / "data"
        if not data.exists():
            self._run(
                _program("/usr/bin/mariadb-install-db", "mariadb-server"),
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            )
        tls = [f"--ssl-cert={self._tls.certificate}", f"--ssl-key={self._tls.key}"] if self._tls else []
        fast = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-flush-method=nosync"]
        self._process = self._launch(
            _program("/usr/sbin/mariadbd", "mariadb-server"),
            "--no-defaults",
            f"--datadir={data}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.directory}/s.sock",
            f"--pid-file={self.directory}/pid",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--max-connections=500",
            "--innodb-buffer-pool-size=64M",
            "--sync-frm=0",
            "--aria-pagecache-buffer-size=8M",
            "--key-buffer-size=1M",
            "--table-open-cache=400",
            *([] if self._durable else fast),
            *tls,
            *self.options,
        )
        self._wait(self._answers)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except pymysql.err.Error:  # of a cluster's node: also while it knows no others
            return False
        return True

    def execute(self, statement: str) -> tuple[tuple[object, ...], ...]:
        """Rows of one statement, run as the server's administrator."""
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root")
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return tuple(cursor.fetchall())
        finally:
            connection.close()

    def url(self) -> str:
        """The SQLAlchemy URL of a fresh, empty database."""
        name = f"netsched_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{name}?charset=utf8mb4"

    def drop(self, url: str) -> None:
        """Remove a database made by `url`."""
        self.execute(f"DROP DATABASE {url.rsplit('/', 1)[1].split('?')[0]}")


class RabbitMQ(Server):
    """One broker with its own epmd and cookie, so that it neither meets nor disturbs another one on the machine.

    `tls`: it listens with that certificate on `tls_port`, too. `beside`: with the epmd and cookie of that one, which is
    started first and closed last, so that the two can join (tests/clusters.py).
    """

    def __init__(self, tls: Certificate | None = None, beside: RabbitMQ | None = None) -> None:
        super().__init__()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._beside = beside
        self._epmd_port, self._dist_port = beside._epmd_port if beside else free_port(), free_port()
        self.tls_port = free_port() if tls else None
        self.node = f"netsched{self.port}@localhost"
        cookie = (beside.directory / ".erlang.cookie").read_text() if beside else uuid.uuid4().hex
        (self.directory / ".erlang.cookie").write_text(cookie)
        (self.directory / ".erlang.cookie").chmod(0o600)
        (self.directory / "enabled_plugins").write_text("[].\n")
        (self.directory / "env.conf").write_text("")
        (self.directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.local = 127.0.0.1:{self.port}\n"
            "loopback_users = none\n"
            "cluster_partition_handling = pause_minority\n"
            "vm_memory_high_watermark.absolute = 1GB\n"
            "disk_free_limit.absolute = 100MB\n" + (self._tls_settings(self._own(tls)) if tls else "")
        )
        self._env = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.directory),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_PID_FILE": str(self.directory / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "env.conf"),
            # With this the start script becomes the broker instead of its parent, so that the pid we end is the broker.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-noinput -kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"
            ),
        }

    def start(self) -> None:
        server = _program("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
        if self._epmd is None and self._beside is None:
            epmd = _program("/usr/bin/epmd", "erlang-base")
            self._epmd = self._launch(epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1", env=self._env)
        self._process = self._launch(server, env=self._env)
        self._wait(self._answers)

    def _tls_settings(self, tls: Certificate) -> str:
        return (
            f"listeners.ssl.local = 127.0.0.1:{self.tls_port}\n"
            f"ssl_options.certfile = {tls.certificate}\n"
            f"ssl_options.keyfile = {tls.key}\n"
            f"ssl_options.cacertfile = {tls.authority}\n"
        )

    def close(self) -> None:
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None
        super().close()

    def _answers(self) -> bool:
        """Whether it speaks AMQP: the listener opens last of all, after the tables are there."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return len(connection.recv(1)) == 1
        except OSError:
            return False

    def ctl(self, *arguments: str) -> str:
        """Output of rabbitmqctl; about 1 s each."""
        program = _program("/usr/lib/rabbitmq/bin/rabbitmqctl", "rabbitmq-server")
        return self._run(program, "-n", self.node, "-q", *arguments, env=self._env)

    def transport_url(self, vhost: str | None = None) -> str:
        """The oslo.messaging URL of a fresh virtual host, or of `vhost`, made by an earlier call."""
        if vhost is None:
            vhost = f"v{uuid.uuid4().hex[:12]}"
            # Both steps in one call, since each start of rabbitmqctl costs a second.
            self.ctl(
                "eval",
                f'ok = rabbit_vhost:add(<<"{vhost}">>, #{{}}, <<"tests">>), ok = rabbit_auth_backend_internal:'
                f'set_permissions(<<"guest">>, <<"{vhost}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).',
            )
        return f"rabbit://guest:guest@127.0.0.1:{self.port}/{vhost}"
