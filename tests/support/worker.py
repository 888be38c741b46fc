"""Another process: it opens a workflow on a shared store, runs one operation, and reports it as lines of JSON.

Where it reports that it waits, a line on its standard input lets it continue.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import TYPE_CHECKING

from itsm_workflow import BkItsmGateway, Settings, Workflow, open_storage
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import ItsmWorkflowError
from itsm_workflow.secrets import Secret
from tests.support.office import SUBJECT, asked
from tests.support.places import WatchedStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import Write


class LaterClock(SystemClock):
    """The machine's clock, a number of seconds ahead.

    Args:
        seconds: The number of seconds.
    """

    def __init__(self, seconds: float) -> None:
        self._ahead = dt.timedelta(seconds=seconds)

    def now(self) -> dt.datetime:
        """Return the time."""
        return super().now() + self._ahead

    def boot(self) -> tuple[str, int]:
        """Return the time since the boot, ahead by the same number: the machine ran on, its clock was not changed."""
        boot_id, micros = super().boot()
        return boot_id, micros + self._ahead // dt.timedelta(microseconds=1)


def tell(**facts: object) -> None:
    """Write one line of JSON."""
    print(json.dumps(facts), flush=True)  # noqa: T201 - the other process reads it


def wait(what: str) -> None:
    """Report the place that was reached, and wait for a line."""
    tell(waits=what)
    sys.stdin.readline()


def apply(workflow: Workflow) -> None:
    """Apply at the same time as other processes."""
    wait("to apply")
    try:
        change = workflow.apply(subject=SUBJECT, **asked())
    except ItsmWorkflowError as error:
        tell(error=type(error).__name__)
    else:
        tell(id=change.id, state=change.state, sn=change.sn)


def reconcile(workflow: Workflow) -> None:
    """Run one pass."""
    wait("to reconcile")
    report = workflow.reconcile()
    tell(due=report.due, moved=report.moved, unchanged=report.unchanged, busy=report.busy, failed=report.failed)


def adopt(workflow: Workflow, numbers: Sequence[str]) -> None:
    """Adopt tickets, each for a subject of its own."""
    wait("to adopt")
    for at, sn in enumerate(numbers):
        workflow.adopt(subject=f"collector-{at}", sn=sn, actor="olive", reason="moved")
    tell(adopted=len(numbers))


def stop_at_commit(store: WatchedStore, number: int, *, after: bool) -> None:
    """Wait before or after the commit with this number."""

    def stop(_: Sequence[Write]) -> None:
        if store.commits == (number if after else number - 1):
            wait(f"{'after' if after else 'before'} commit {number}")

    if after:
        store.after = stop
    else:
        store.before = stop


def main(store_url: str, gateway_url: str, what: str, ahead: str, *numbers: str) -> None:
    """Open the workflow, run the operation, and close it."""
    store = WatchedStore(open_storage(store_url))
    settings = Settings(
        app_code="collector", app_secret=Secret("made up"), gateway_url=gateway_url, fast_approval=True, deadline=25.0
    )
    clock = LaterClock(float(ahead))
    gateway = BkItsmGateway(settings, clock=clock)
    workflow = Workflow(storage=store, gateway=gateway, callbacks=False, clock=clock)
    if what == "apply_to_the_mark":
        stop_at_commit(store, 1, after=True)
    if what == "apply_to_the_record":
        stop_at_commit(store, 2, after=False)
    if what.startswith("adopt"):
        _, place, number = what.split()
        stop_at_commit(store, int(number), after=place == "after")
        adopt(workflow, numbers)
    else:
        (reconcile if what == "reconcile" else apply)(workflow)
    gateway.close()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
