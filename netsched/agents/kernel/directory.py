"""The directory of files that tell a daemon of ours what to do: one for each network or router that has such a daemon.

It is also the mark that something of that network or router is on this machine: made first, removed last. Daemons read
their files again after they have become user nobody, so these are open to everybody, whatever our umask is.
"""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Iterable

from netsched import errors


class Directory:
    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __truediv__(self, name: str) -> pathlib.Path:
        return self.path / name

    def exists(self) -> bool:
        return self.path.exists()

    def read(self, name: str) -> str:
        """ "" for a file that is not there."""
        try:
            return (self.path / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def holds(self, files: Iterable[tuple[str, str]]) -> bool:
        """Are these files, (name, content), on disk as given?"""
        return all((self.path / name).exists() and self.read(name) == content for name, content in files)

    def write(self, files: Iterable[tuple[str, str]]) -> bool:
        """Write what differs, each file at once; True when anything did. Raises Unavailable."""
        make(self.path)
        changed = [(name, content) for name, content in files if not self.holds([(name, content)])]
        try:
            for name, content in changed:
                temporary = self.path / f".{name}.new"
                temporary.write_text(content)
                temporary.chmod(0o644)
                temporary.replace(self.path / name)
        except OSError as exc:
            raise errors.Unavailable(reason=f"cannot write in {self.path}: {exc}") from exc
        return bool(changed)

    def remove(self) -> None:
        """Raises Unavailable; one that is gone is removed successfully."""
        try:
            shutil.rmtree(self.path)
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise errors.Unavailable(reason=f"cannot remove {self.path}: {exc}") from exc


def make(path: pathlib.Path) -> None:
    """Have it, open to everybody. Raises Unavailable."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
    except OSError as exc:
        raise errors.Unavailable(reason=f"cannot make directory {path}: {exc}") from exc


def names(home: pathlib.Path) -> set[str]:
    """Of the directories in `home`."""
    return set(os.listdir(home)) if home.is_dir() else set()


def make_home(path: pathlib.Path, daemon: str) -> None:
    """Have the directory of all directories of such daemons. Raises Unavailable where user nobody cannot get to it."""
    make(path)
    for part in path.parents:
        if not part.stat().st_mode & 0o001:
            raise errors.Unavailable(
                reason=f"the state directory {path} is out of reach for {daemon}, which runs as user nobody: "
                f"{part} has mode {part.stat().st_mode & 0o7777:04o}; use another state directory or chmod o+x {part}"
            )
