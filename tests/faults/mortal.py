"""A world whose processes die, one after another, while the store and the ticket system live on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from itsm_workflow import State, Workflow
from itsm_workflow.errors import AlreadyApplied
from itsm_workflow.sandbox.ticket import CallbackOutcome
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.support.world import APPROVER, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow import ChangeRequest
    from itsm_workflow.callbacks.parse import CallbackResponse
    from itsm_workflow.change import Entry
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest
    from itsm_workflow.sandbox.ticket import Outgoing
    from itsm_workflow.storage.protocol import Conflict, EntryRows, Query, Row, Rows, StorageBackend, Write
    from tests.faults.points import Points

    Stage = Callable[["MortalWorld"], object]

OLD, NEW = "collector-0", "collector-1"
ENDED = {State.APPROVED.value, State.REJECTED.value}


class Death(BaseException):
    """The death of the process. The library does not catch it, except to clean up."""


class Life:
    """The life of a process. Calls of a dead process, from its ``finally`` and ``except`` blocks, have no effect."""

    alive = True

    def end(self) -> None:
        """Kill the process."""
        self.alive = False
        raise Death

    def check(self) -> None:
        """Raise `Death` if the process is dead."""
        if not self.alive:
            raise Death


class MortalStore:
    """The process's connection to a store that lives on."""

    protocol_version = 1
    abilities: frozenset[str] = frozenset()

    def __init__(self, store: StorageBackend, life: Life) -> None:
        self._store, self._life = store, life

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Commit if the process is alive."""
        self._life.check()
        return self._store.commit(writes)

    def get(self, change_id: str, /) -> Row | None:
        """Return a row if the process is alive."""
        self._life.check()
        return self._store.get(change_id)

    def find(self, query: Query, /) -> Rows:
        """Return rows if the process is alive."""
        self._life.check()
        return self._store.find(query)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return entries if the process is alive."""
        self._life.check()
        return self._store.history(change_id, after_seq, limit)

    def close(self) -> None:
        """Leave the store open, since the next process needs it."""


class MortalGateway(LedgerGateway):
    """The process's connection to the ticket system, which records a callback to a dead process as failed."""

    life: Life

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.announced: set[str] = set()
        self.unannounced: list[str] = []

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File a ticket, and record its key if the key was not acknowledged as stored before."""
        if request.attempt.key not in self.announced:
            self.unannounced.append(request.attempt.key)
        return super().create(request)

    def _catch_up(self, endpoint: str) -> None:
        self.life.check()
        super()._catch_up(endpoint)

    def deliver(self, receive: Callable[..., CallbackResponse]) -> int:
        """Deliver the callbacks; after the death of the process the others fail as well."""
        waiting, death = self.run_due(), None
        for outgoing in waiting:
            try:
                self._hand_over(outgoing, receive)
            except Death as died:
                death = died
        if death is not None:
            raise death
        return len(waiting) + (super().deliver(receive) if waiting else 0)

    def lose(self) -> None:
        """Record the due callbacks as failed."""
        for outgoing in self.run_due():
            self.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)

    def _hand_over(self, outgoing: Outgoing, receive: Callable[..., CallbackResponse]) -> None:
        try:
            self.life.check()
            self.hand_over(outgoing, receive)
        except Death:
            self.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)
            raise


ACTS = (
    MortalStore.commit,
    *(getattr(LedgerGateway, name) for name in ("create", "read", "results", "withdraw", "find_by_key", "undelivered")),
    World._start,
)
"""The calls of a process with lasting effects. What it computes between two of them is lost with it, so the moments
before and after each call are the only ones at which its death makes a difference."""


class MortalWorld(World):
    """A world in which each stage of work is done by a process that may be killed.

    Attributes:
        told: The entries of which observers were notified, as change id and seq: they were acknowledged.
    """

    def __init__(self, seed: int = 0, *, store: StorageBackend | None = None) -> None:
        super().__init__(seed, store=store, gateway=MortalGateway)
        assert isinstance(self.gateway, MortalGateway)
        self.gateway: MortalGateway
        self.life = self.gateway.life = Life()
        self.mortal: StorageBackend = MortalStore(self.store, self.life) if store is None else self.store
        self.told: list[tuple[str, int]] = []
        self._processes = 0

    def start(self) -> None:
        """Start a new process, whose random numbers do not depend on the process before."""
        self.life.alive = True
        self._processes += 1
        self.random.seed(self._processes)

    def workflow(self, **options: Any) -> Workflow:
        """Open the process's workflow."""
        below, self.store = self.store, self.mortal
        try:
            return super().workflow(observers=[self], **options)
        finally:
            self.store = below

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Record an entry, which is durable."""
        self.hear(change.id, entry.seq, change.attempt.key if change.attempt else "")

    def hear(self, change_id: str, seq: int, key: str) -> None:
        """Record an entry that was acknowledged, and the key that became durable with it."""
        self.told.append((change_id, seq))
        self.gateway.announced.add(key)

    def on_trouble(self, change_id: str, error: Exception) -> None:
        """Ignore an error."""

    def live(self, stage: Stage, points: Points | None = None, *, die_at: int = 0) -> int:
        """Let a process do a stage, and return the number of points that it passed; fewer than all if it died."""
        self.start()
        if points is None:
            stage(self)
            return 0
        try:
            return points.passed(lambda: stage(self), at=die_at, strike=self.life.end)
        except Death:
            return die_at

    # ---------------------------------------------------------------- what must be true in the end

    def come_to_rest(self) -> None:
        """Apply again, decide every ticket, reconcile until nothing is due, and then check everything.

        No request is lost, no create was sent before its key was stored, no key has two tickets, each history is legal
        and holds all acknowledged entries, each effect was delivered, and each change has ended or has attention.
        """
        self.start()
        workflow = self.workflow()
        self._ask_again(workflow)
        self.reconcile_for(workflow, hours=1)
        for ticket in self.ledger.newest_first():
            if not ticket.ended:
                self.decide(ticket, approved=True)
        self.reconcile_for(workflow, hours=1)
        findings = self.audit().findings
        assert not findings, "; ".join(findings)
        assert not self.gateway.unannounced, "a create was sent before its key was stored"
        changes = {change.id: change for change in workflow.find()}
        bound = {change.expect_ticket().id for change in changes.values() if change.ticket}
        nobodys = sorted({str(ticket.id) for ticket in self.ledger.tickets()} - bound)
        assert not nobodys, f"tickets that no change is bound to: {nobodys}"
        stuck = [change for change in changes.values() if change.state not in ENDED and not change.attention]
        assert not stuck, f"neither ended nor marked with attention: {stuck}"
        stored = {(change_id, entry.seq) for change_id in changes for entry in workflow.history(change_id)}
        assert stored.issuperset(self.told), f"acknowledged and not stored: {sorted({*self.told} - stored)}"

    def _ask_again(self, workflow: Workflow) -> None:
        """Apply for the change, as a user whose process died does; it is filed only once."""
        self.asked.append(NEW)
        if any(change.state in ENDED for change in workflow.find(subject=NEW)):
            return
        with contextlib.suppress(AlreadyApplied):
            file(workflow, NEW)


def file(workflow: Workflow, subject: str) -> ChangeRequest:
    """File a change."""
    return workflow.apply(subject=subject, title="接入日志", applicant="alice", approvers=[APPROVER])
