"""The order of a process's system calls: a check that all writes are synced before a send."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from itsm_workflow import BkItsmGateway, Settings, Workflow
from tests.faults.cases import CannotRunHereError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_CALL = re.compile(r"^\d+ +(\w+)\(\d+<([^>]*)>(.*)$")
_SENDS, _SYNCS = {"sendto", "sendmsg"}, {"fsync", "fdatasync"}
_CREATE = "create_ticket"


@attrs.frozen
class Sent:
    """One create that was sent, and the store's files that were not synced by then."""

    unsynced: tuple[str, ...]


def main(arguments: Sequence[str]) -> None:
    """File a number of changes in a store, one after another, with the settings in the environment."""
    url, count = arguments
    with Workflow(storage=url, gateway=BkItsmGateway(Settings.from_env())) as workflow:
        for number in range(int(count)):
            workflow.apply(subject=f"collector-{number}", title="t", applicant="alice", approvers=["carol"])


def traced(url: str, count: int, environment: Mapping[str, str], log: Path) -> list[Sent]:
    """File changes in a process whose calls are recorded, and return the creates that it sent.

    Raises:
        CannotRunHereError: strace is not installed, or it may not trace.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise CannotRunHereError("it needs strace")
    calls = ",".join(sorted({"write", "pwrite64", *_SENDS, *_SYNCS}))
    command = [strace, "-f", "-y", "-s", "128", "--seccomp-bpf", "-e", f"trace={calls}", "-o", str(log), sys.executable]
    command += ["-m", "tests.faults.order", url, str(count)]
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(command, env=dict(environment), cwd=root, capture_output=True, text=True, check=False)
    if done.returncode and "ptrace" in done.stderr:
        raise CannotRunHereError(done.stderr.strip())
    assert done.returncode == 0, done.stderr[-2000:]
    return list(_sends(log.read_text(encoding="utf-8", errors="replace").splitlines(), _files_of(url)))


def _files_of(url: str) -> set[str]:
    """Return the files of a store that must be synced for a commit to be durable."""
    path = "/" + url.partition("////")[2]
    return {f"{path}-wal"} if url.startswith("sqlite") else {path, f"{path}.new"}


def _sends(lines: Iterable[str], files: set[str]) -> Iterable[Sent]:
    unsynced: set[str] = set()
    for line in lines:
        found = _CALL.match(line)
        if found is None:
            continue
        call, path, rest = found.groups()
        if call in _SENDS:
            if "POST " in rest and _CREATE in rest:
                yield Sent(tuple(sorted(unsynced)))
        elif call in _SYNCS:
            if rest.endswith("= 0"):
                unsynced.discard(path)
        elif path in files:
            unsynced.add(path)


if __name__ == "__main__":
    main(sys.argv[1:])
