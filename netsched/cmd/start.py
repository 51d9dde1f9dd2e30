"""What every program begins with: configuration, logging, and a clean end on a signal."""

from __future__ import annotations

import logging as stdlib_logging
import pathlib
import re
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

import netsched
from netsched import trace
from netsched.conf import opts

Conf = cfg.ConfigOpts
# oslo.log's own has two more ids, which nobody here has.
REQUEST_FORMAT = "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(request_id)s] %(instance)s%(message)s"


def configure(prog: str, about: str, argv: Sequence[str] | None = None, cli: Sequence[Any] = ()) -> cfg.ConfigOpts:
    """Parse the command line and the files into the global configuration object, and set logging up.

    Global because oslo.messaging registers options of its own there and looks them up again on every message. What is
    wrong with a file ends the program with a sentence: which file, which option.
    """
    conf = cfg.CONF
    opts.register(conf)
    logging.register_options(conf)
    conf.register_cli_opts(list(cli))
    # Libraries that log every message or statement, --debug or not; default_log_levels can show them.
    quiet = ["amqp=WARN", "oslo.messaging=WARN", "oslo_messaging=WARN", "sqlalchemy=WARN", "pyroute2=WARN"]
    quiet += ["oslo_service=WARN", "waitress=WARN", "alembic=WARN", "urllib3=WARN"]
    logging.set_defaults(REQUEST_FORMAT, default_log_levels=quiet)
    # oslo.messaging imports eventlet by way of oslo.service, whichever way a process does things at once.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    try:
        conf(
            args=list(argv if argv is not None else sys.argv[1:]),
            project="netsched",
            prog=prog,
            version=netsched.__version__,
            description=about,
        )
        _check_values(conf)
    except cfg.Error as error:
        # oslo.config shows where it found the value as it shows any object.
        said = re.sub(r"LocationInfo\(.*?, detail='(.*?)'\)", r"\1", str(error))
        raise SystemExit(die(f"{said}. etc/netsched.conf.sample describes every option.")) from error
    if not (conf.log_file or conf.log_dir or conf.use_journal):
        conf.set_default("use_stderr", True)  # standard output, oslo.log's own choice, is for what was asked for
    try:
        _set_up(conf)
    except OSError as error:
        raise SystemExit(die(f"the log cannot be written: {error}")) from error
    except RuntimeError as error:  # use_journal; under systemd, standard error ends in the journal without it
        raise SystemExit(die(f"{error}: leave use_journal out, or pip install systemd-python")) from error
    return conf


def _set_up(conf: Conf) -> None:
    logging.setup(conf, "netsched")
    for handler in stdlib_logging.getLogger().handlers:
        handler.addFilter(_name_request)
        if conf.use_json:
            handler.addFilter(_flatten_arguments)


def _name_request(record: stdlib_logging.LogRecord) -> bool:
    """Give a line the id of the request under way, where oslo.log's formatters, JSON too, look for it."""
    if (request := trace.current()) is not None:
        record.context = {"request_id": request.request_id}
    return True


def _flatten_arguments(record: stdlib_logging.LogRecord) -> bool:
    """oslo.log's JSON has the arguments too, and takes them apart, whatever they are: a network of IPv6 has 2**64
    addresses, and an entry point contains itself."""
    if isinstance(record.args, tuple):
        record.args = tuple(one if isinstance(one, str | int | float | None) else str(one) for one in record.args)
    return True


def log_to(conf: Conf, path: pathlib.Path) -> None:
    """Log to that file, unless the operator said where to: for programs whose output people read."""
    if not (conf.log_file or conf.log_dir or conf.use_journal):
        conf.set_override("log_file", str(path))
        conf.set_override("use_stderr", False)
        _set_up(conf)


def log_to_stderr(conf: Conf) -> None:
    """No longer to a file: its directory is about to go, and this process is not."""
    conf.clear_override("log_file")
    conf.set_override("use_stderr", True)
    _set_up(conf)


def _check_values(conf: Conf) -> None:
    """Read every option of ours once: oslo.config looks at a value when it is first wanted, which may be days later."""
    for group, options in opts.list_opts():
        for option in options:
            getattr(conf[group], option.dest)


def stop_signal(patient: bool = True) -> threading.Event:
    """An event that SIGTERM and SIGINT set; to be called in the main thread. Unless `patient`, a second one kills."""
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        if not patient:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping


def wait(stopping: threading.Event) -> None:
    """Until the event is set. In slices, because a wait without end would not let the signal handler run."""
    while not stopping.wait(1.0):
        pass


def die(message: str) -> int:
    """Print an error for people and return the exit code for it."""
    print(f"error: {message}", file=sys.stderr)
    return 1
