"""Measures a pass of `Workflow.reconcile` over many changes, of which half have ended, beside two other ways."""

from __future__ import annotations

import datetime as dt
import shutil
import statistics
import tempfile
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow import Policy, Workflow, open_storage
from itsm_workflow.gateway.protocol import TicketResult
from itsm_workflow.machine import evidence as ev
from itsm_workflow.storage.protocol import Query, Write
from itsm_workflow.testing.manual_clock import ManualClock
from tests.benchmarks.changes import FORM, InstantGateway
from tests.benchmarks.raw import RawStore
from tests.benchmarks.rounds import processor_time
from tests.benchmarks.table import Row
from tests.support.places import WatchedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.change import Ticket
    from itsm_workflow.storage.protocol import StorageBackend

COUNT = 2_000
ROUNDS = 3
TOGETHER = Policy(not_started=dt.timedelta(minutes=10))
"""A policy by which no ticket is read in full only to see whether its flow started."""

MOST_RAW, LEAST_FASTER = 40.0, 4.0
"""The bounds: how many times as much processor time as raw writes, and how many times as fast as one by one."""


class HalfEndedGateway(InstantGateway):
    """An instant ticket system in which every second ticket was approved, and the others are open."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Return the results of many tickets."""
        return {ticket.id: self._result(ticket) for ticket in tickets}

    def _result(self, ticket: Ticket) -> TicketResult:
        status = ev.TicketStatus.FINISHED if int(ticket.id) % 2 else ev.TicketStatus.RUNNING
        return TicketResult(
            ticket_id=ticket.id,
            sn=ticket.sn,
            status=status,
            word=status.value,
            approve_result=status is ev.TicketStatus.FINISHED,
            closed_by="carol",
        )

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> ev.Snapshot:
        """Return the ticket in full."""
        seen = super().read(ticket, decision_field=decision_field)
        if int(ticket.id) % 2:
            return seen
        status = ev.TicketStatus.RUNNING
        return attrs.evolve(
            seen,
            status=status,
            word=status.value,
            result_status=status,
            approve_result=False,
            closed_by="",
            approval_step=False,
        )


class Waiting:
    """Many changes that wait for their approvers and are due, in a SQLite file that can be copied.

    Args:
        folder: The place of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count(1)
        self._clock, self._gateway = ManualClock(), HalfEndedGateway()
        self._made = folder / "made.db"
        form: Any = FORM
        with closing(open_storage("memory://")) as memory, closing(open_storage(f"sqlite:///{self._made}")) as store:
            workflow = self.workflow(memory)
            for number in range(COUNT):
                workflow.apply(subject=f"collector-{number}", **form)
            changes = [change.id for change in workflow.find()]
            copied = [
                row
                for start in range(0, COUNT, 100)
                for row in memory.find(Query(ids=tuple(changes[start : start + 100]))).rows
            ]
            entries = {row.id: memory.history(row.id).entries for row in copied}
            for start in range(0, COUNT, 100):
                page = copied[start : start + 100]
                firsts = [
                    Write(row=attrs.evolve(row, version=1), expected_version=0, entries=entries[row.id]) for row in page
                ]
                if any(store.commit(firsts)):
                    raise RuntimeError("a change was not copied")
        self._clock.advance(301)

    def workflow(self, store: StorageBackend) -> Workflow:
        """Return a workflow without effects."""
        gateway: Any = self._gateway
        return Workflow(storage=store, gateway=gateway, clock=self._clock, policy=TOGETHER, after_callback="later")

    def copy(self) -> Path:
        """Return a new copy of the file."""
        path = self._folder / f"copy-{next(self._numbers)}.db"
        for made in self._folder.glob("made.db*"):
            shutil.copyfile(made, made.with_name(made.name.replace("made.db", path.name)))
        return path

    def taken(
        self, act: Callable[[Workflow], object], *, watch: list[list[Write]] | None = None
    ) -> tuple[float, float]:
        """Return the seconds, and those of the processor, that an act on a copy of the store takes."""
        with closing(open_storage(f"sqlite:///{self.copy()}")) as opened:
            store = opened if watch is None else WatchedStore(opened)
            if isinstance(store, WatchedStore) and watch is not None:
                store.before = lambda writes: watch.append(list(writes))
            workflow = self.workflow(store)
            started, used = time.perf_counter(), processor_time()
            act(workflow)
            return time.perf_counter() - started, processor_time() - used


def rows() -> list[Row]:
    """Measure a pass, the same by settling change by change, and the writes of the pass by sqlite3 alone."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:  # a disk: the folder for temporary files may be memory
        waiting = Waiting(Path(place))
        written: list[list[Write]] = []
        waiting.taken(whole_pass, watch=written)
        with closing(RawStore(Path(place) / "raw.db")) as raw:
            raw.fill(written)
            found: list[tuple[tuple[float, float], ...]] = []
            for _ in range(ROUNDS):
                started, used = time.perf_counter(), processor_time()
                raw.replay(written)
                floor = time.perf_counter() - started, processor_time() - used
                found.append((floor, waiting.taken(whole_pass), waiting.taken(one_by_one)))
    raws, passes, singles = zip(*found, strict=True)
    above = statistics.median(ours[1] / floor[1] for floor, ours in zip(raws, passes, strict=True))
    faster = statistics.median(single[0] / ours[0] for single, ours in zip(singles, passes, strict=True))
    each = statistics.median(ours[1] for ours in passes) / COUNT * 1e6
    name = f"reconcile {COUNT:,} due changes, of which half have ended"
    second = f"reconcile: {statistics.median(ours[0] for ours in passes):.2f} s, {each:.0f} µs CPU a change"
    return [
        Row(
            name=name,
            first=f"sqlite3, executemany in {len(written)} commits: {statistics.median(one[0] for one in raws):.2f} s",
            second=second,
            value=f"{above:.1f} times the CPU",
            bound=f"at most {MOST_RAW:g} times the CPU",
            kept=above <= MOST_RAW,
        ),
        Row(
            name=name,
            first=f"settle, one by one: {statistics.median(one[0] for one in singles):.2f} s",
            second=second,
            value=f"{faster:.1f} times as fast",
            bound=f"at least {LEAST_FASTER:g} times as fast",
            kept=faster >= LEAST_FASTER,
        ),
    ]


def whole_pass(workflow: Workflow) -> None:
    """Reconcile all that is due."""
    report = workflow.reconcile()
    if (report.due, report.moved) != (COUNT, COUNT // 2):
        raise RuntimeError(f"not every change was looked at: {report}")


def one_by_one(workflow: Workflow) -> None:
    """Settle each change that is due."""
    for change in workflow.find():
        workflow.settle(change.id)
