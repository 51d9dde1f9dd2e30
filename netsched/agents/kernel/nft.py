"""Rules of nf_tables by libnftables: a transaction costs a millisecond or two, a forked `nft` ten times that.

Debian's binding (python3-nftables) is a few lines of ctypes; a virtual environment does not see Debian's packages, so
that one package is loaded from where Debian puts it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import pathlib
import sys
import threading
from typing import Any

from netsched import errors

_DEBIAN = pathlib.Path("/usr/lib/python3/dist-packages/nftables")
MISSING = "there is no nftables library on this host. On Debian and Ubuntu: apt-get install python3-nftables"

# libnftables keeps its list of interfaces in a global variable, which threads in several namespaces would share; and
# the binding is loaded once.
_ONE_AT_A_TIME = threading.Lock()


def run(text: str) -> None:
    """Apply nft commands, all or none, in the network namespace of the calling thread (see `netns.run_in`).

    As in a file for `nft -f`. Raises Unavailable with what nft said.
    """
    code, _, said = _command(text, as_json=False)
    if code != 0:
        raise errors.Unavailable(reason=f"nft refused: {_first_lines(said)}")


def listing(command: str) -> list[dict[str, Any]]:
    """What "list table bridge netsched" shows, in nft's JSON: ``[{"table": {...}}, {"chain": {...}}, ...]``.

    Empty when that table, chain or map does not exist. Raises Unavailable.
    """
    code, output, said = _command(command, as_json=True)
    if code != 0:
        if "No such file or directory" in said:
            return []
        raise errors.Unavailable(reason=f"nft {command} failed: {_first_lines(said)}")
    shown: list[dict[str, Any]] = json.loads(output)["nftables"] if output else []
    return [item for item in shown if "metainfo" not in item]


def available() -> bool:
    """Can rules be set on this host at all? For programs to say so before they start."""
    try:
        with _ONE_AT_A_TIME:
            _binding()
    except errors.Unavailable:
        return False
    return True


def _command(text: str, as_json: bool) -> tuple[int, str, str]:
    with _ONE_AT_A_TIME:
        context = _binding().Nftables()  # holds a socket of the calling thread's namespace; ends with this function
        context.set_json_output(as_json)
        code, output, said = context.cmd(text)
    return code, output or "", said or ""


def _binding() -> Any:
    if "nftables" in sys.modules:
        return sys.modules["nftables"]
    try:
        if importlib.util.find_spec("nftables") is not None:
            return importlib.import_module("nftables")
        spec = importlib.util.spec_from_file_location("nftables", _DEBIAN / "__init__.py")
        if spec is None or spec.loader is None:
            raise errors.Unavailable(reason=MISSING)
        module = importlib.util.module_from_spec(spec)
        sys.modules["nftables"] = module  # before it runs: it imports a part of itself by this name
        spec.loader.exec_module(module)
    except (ImportError, OSError) as exc:
        sys.modules.pop("nftables", None)
        raise errors.Unavailable(reason=MISSING) from exc
    return module


def _first_lines(said: str) -> str:
    """nft repeats the input and points at the place: its sentences are enough, and input may be long."""
    sentences = [line.strip() for line in said.splitlines() if "rror:" in line]
    return "; ".join(sentences[:3]) or said.strip()[:200] or "no reason given"
