"""Measures a pass of `Workflow.reconcile` over 100,000 changes, of which half have ended, beside two other ways.

The three ways take turns: after each thousand changes of the pass, sqlite3 stores the writes of this thousand again,
and after each ten thousand, `settle` looks at some changes of another store one by one.
"""

from __future__ import annotations

import datetime as dt
import resource
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow import Policy, Workflow, open_storage
from itsm_workflow.gateway.protocol import TicketResult
from itsm_workflow.machine import evidence as ev
from itsm_workflow.testing.manual_clock import ManualClock
from tests.benchmarks.changes import FORM, InstantGateway, quiet
from tests.benchmarks.many import Model, fill
from tests.benchmarks.raw import RawStore
from tests.benchmarks.rounds import Measured, comparison, processor_time
from tests.benchmarks.table import Row, both
from tests.support.places import WatchedStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow import Report
    from itsm_workflow.change import Ticket
    from itsm_workflow.storage.protocol import StorageBackend, Write

MEMORY = Path("/proc/self/statm")
"""The file in which Linux shows the pages of a process."""
COUNT = 100_000
PART = 1_000
"""The number of changes of the pass between two turns of sqlite3."""
SINGLES = 200
"""The number of changes that are settled one by one after each ten parts."""
TOGETHER = Policy(not_started=dt.timedelta(minutes=10))
"""A policy by which no ticket is read in full only to see whether its flow started."""

MOST_RAW, RAW_AIM, LEAST_FASTER, MOST_GROWTH = 40.0, 6.0, 5.0, 16.0
"""The bounds: how many times as much processor time as raw writes, how many times as fast as one by one, and the MiB by
which the memory of the process may grow after the first tenth."""


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
    """Many changes that wait for their approvers and are due, in two SQLite files.

    Args:
        folder: The place of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._clock, self._gateway = ManualClock(), HalfEndedGateway()
        form: Any = FORM
        with closing(open_storage("memory://")) as memory:
            workflow = self.workflow(memory)
            model = Model.of(memory, workflow, workflow.apply(subject="collector", **form).id)
        due_at = model.stored.due_at
        self.path, self.singles = folder / "pass.db", folder / "singles.db"
        for path, number in ((self.path, COUNT), (self.singles, SINGLES * COUNT // PART // 10)):
            fill(path, (model.copy(one, due_at=due_at, with_history=True) for one in range(number)))
        self._clock.advance(301)

    def workflow(self, store: StorageBackend) -> Workflow:
        """Return a workflow without effects."""
        gateway: Any = self._gateway
        return Workflow(storage=store, gateway=gateway, clock=self._clock, policy=TOGETHER, after_callback="later")


class Turns:
    """The turns of the three ways while a pass runs.

    Args:
        store: Reports the writes of the pass.
        raw: Stores them again.
        single: Settles changes one by one.
        changes: Their ids.
    """

    def __init__(self, store: WatchedStore, raw: RawStore, single: Workflow, changes: Iterator[str]) -> None:
        self._written: list[Sequence[Write]] = []
        store.before = self._written.append
        self._raw, self._single, self._changes = raw, single, changes
        self.passes, self.raws, self.singles = (Measured(wall=[], cpu=[]) for _ in range(3))
        self.memory: list[float] = []
        self._began = self._now()

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), processor_time()

    def _took(self, measured: Measured, count: int) -> None:
        wall, cpu = self._now()
        measured.wall.append((wall - self._began[0]) / count)
        measured.cpu.append((cpu - self._began[1]) / count)

    def page(self, report: Report) -> None:
        """Take the turns of the two other ways if a part of the pass is done."""
        if report.due % PART:
            return
        self._took(self.passes, PART)
        if MEMORY.exists():
            self.memory.append(int(MEMORY.read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 2**20)
        self._raw.fill(self._written)
        self._began = self._now()
        self._raw.replay(self._written)
        self._took(self.raws, PART)
        self._written.clear()
        if report.due % (10 * PART) == 0:
            chosen = list(islice(self._changes, SINGLES))
            self._began = self._now()
            for change_id in chosen:
                self._single.settle(change_id)
            self._took(self.singles, SINGLES)
        self._began = self._now()


def rows() -> list[Row]:
    """Measure a pass, the same by settling change by change, and the writes of the pass by sqlite3 alone."""
    with (
        quiet(),
        tempfile.TemporaryDirectory(dir=Path.cwd()) as place,  # a disk: temporary files may be in memory
        ExitStack() as opened,
    ):
        waiting = Waiting(Path(place))
        store = WatchedStore(opened.enter_context(closing(open_storage(f"sqlite:///{waiting.path}"))))
        raw = opened.enter_context(closing(RawStore(Path(place) / "raw.db")))
        others = waiting.workflow(opened.enter_context(closing(open_storage(f"sqlite:///{waiting.singles}"))))
        turns = Turns(store, raw, others, iter([change.id for change in others.find()]))
        report = waiting.workflow(store).reconcile(progress=turns.page)
    if (report.due, report.moved) != (COUNT, COUNT // 2):
        raise RuntimeError(f"not every change was looked at: {report}")
    return judged(turns)


def judged(turns: Turns) -> list[Row]:
    """Return the rows of a pass that has ended."""
    above = comparison(turns.raws, turns.passes)
    faster = statistics.median(turns.singles.wall) / statistics.median(turns.passes.wall)
    name = f"reconcile {COUNT:,} due changes, of which half have ended: each"
    second = f"reconcile: {both(turns.passes.wall, turns.passes.cpu)}"
    found = [
        Row(
            name=name,
            first=f"sqlite3, executemany: {both(turns.raws.wall, turns.raws.cpu)}",
            second=second,
            value=f"{above.cpu_ratio:.1f} times the CPU, {above.ratio:.1f} times the time",
            bound=f"at most {MOST_RAW:g} times the CPU",
            kept=above.cpu_ratio <= MOST_RAW,
            aim=f"at most {RAW_AIM:g} times the CPU",
            reached=above.cpu_ratio <= RAW_AIM,
        ),
        Row(
            name=name,
            first=f"settle, one by one: {both(turns.singles.wall, turns.singles.cpu)}",
            second=second,
            value=f"{faster:.1f} times as fast",
            bound=f"at least {LEAST_FASTER:g} times as fast",
            kept=faster >= LEAST_FASTER,
        ),
    ]
    if turns.memory:
        tenth = len(turns.memory) // 10
        growth = max(turns.memory[tenth:]) - max(turns.memory[:tenth])
        found.append(
            Row(
                name=f"the memory of a process that reconciles {COUNT:,} changes",
                first=f"after a tenth of them: {max(turns.memory[:tenth]):,.0f} MiB",
                second=f"at most: {max(turns.memory):,.0f} MiB",
                value=f"{growth:.1f} MiB more",
                bound=f"at most {MOST_GROWTH:g} MiB more",
                kept=growth <= MOST_GROWTH,
            )
        )
    return found
