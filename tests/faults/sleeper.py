"""A process that applies and is stopped while it does, as on a machine that swaps or migrates; the test wakes it.

`python -m tests.faults.sleeper STORE GATEWAY POINT RESENDS TIME` stops itself with SIGSTOP after its mark was stored
(`mark`), right before it sends (`send`), or after it received the answer (`answer`). The time that passes meanwhile is
in the file TIME, so that a busy machine puts off no send.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from itsm_workflow import BkItsmGateway, Policy, Settings, Workflow, open_storage
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import ItsmWorkflowError
from itsm_workflow.secrets import Secret
from tests.support.places import WatchedStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.clock import Clock
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest
    from itsm_workflow.storage.protocol import StorageBackend

POINTS = ("mark", "send", "answer")
SUBJECT = "collector-1"


def policy(resends: int) -> Policy:
    """Return short timings, which all end within two minutes."""
    margin, lease, poll, *lookups = (dt.timedelta(seconds=value) for value in (1.0, 60.0, 15.0, 0.0, 1.0, 70.0))
    return Policy(
        resends=resends,
        lookups=tuple(lookups),
        send_lease=lease,
        send_margin=margin,
        late_arrival=dt.timedelta(),
        apply_budget=dt.timedelta(hours=1),  # so that a process that is woken still sends, unless its lease forbids it
        read_lease=poll,
        poll=poll,
    )


class SharedClock(SystemClock):
    """The machine's clock, ahead by the seconds in a file: the processes that share it see the same time pass."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def advance(self, seconds: float) -> None:
        """Set the seconds by which the clock is ahead."""
        self._path.with_suffix(".new").write_text(str(seconds), encoding="ascii")
        self._path.with_suffix(".new").replace(self._path)

    def now(self) -> dt.datetime:
        """Return the time."""
        return super().now() + dt.timedelta(seconds=self._ahead())

    def elapsed(self) -> float:
        """Return the seconds since the machine started."""
        return super().elapsed() + self._ahead()

    def _ahead(self) -> float:
        return float(self._path.read_text(encoding="ascii"))


class StoppedGateway(BkItsmGateway):
    """A gateway that stops its process right before a send."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Stop, then send."""
        _stop()
        return super().create(request)


@attrs.frozen(kw_only=True)
class Opened:
    """A workflow, and what was opened for it."""

    workflow: Workflow
    gateway: BkItsmGateway
    store: StorageBackend

    def close(self) -> None:
        """Close all of it."""
        self.workflow.close()
        self.store.close()
        self.gateway.close()


def open_workflow(store: str, url: str, resends: int, *, point: str = "", clock: Clock | None = None) -> Opened:
    """Open a workflow whose process stops at a point, or that does not stop."""
    settings = Settings(
        app_code="collector",
        app_secret=Secret("made up"),
        gateway_url=url,
        fast_approval=True,
        timeout=(10.0, 10.0),
        deadline=10.0,
    )
    gateway = (StoppedGateway if point == "send" else BkItsmGateway)(settings, clock=clock)
    watched = WatchedStore(open_storage(store))
    if point == "mark":
        watched.after = lambda _: _stop() if watched.commits == 1 else None
    if point == "answer":
        watched.before = lambda _: _stop() if watched.commits == 1 else None
    workflow = Workflow(storage=watched, gateway=gateway, policy=policy(resends), callbacks=False, clock=clock)
    return Opened(workflow=workflow, gateway=gateway, store=watched)


def start(store: str, url: str, point: str, resends: int, time: Path) -> subprocess.Popen[bytes]:
    """Start such a process, and return when it has stopped."""
    command = [sys.executable, "-m", "tests.faults.sleeper", store, url, point, str(resends), str(time)]
    process = subprocess.Popen(command)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    return process


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def main(arguments: Sequence[str]) -> None:
    """Open the workflow, and apply."""
    store, url, point, resends, time = arguments
    opened = open_workflow(store, url, int(resends), point=point, clock=SharedClock(Path(time)))
    try:
        opened.workflow.apply(subject=SUBJECT, title="接入日志", applicant="alice", approvers=["carol"])
    except ItsmWorkflowError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    opened.close()


if __name__ == "__main__":
    main(sys.argv[1:])
