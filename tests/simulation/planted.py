"""Defects that people write, planted into the parts that a simulation lets be replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow import State, Workflow
from itsm_workflow.gateway.protocol import Unknown
from itsm_workflow.machine.approval import collector_change
from itsm_workflow.machine.approval_rule import ApprovalPolicy, Verdict
from itsm_workflow.machine.evidence import ENDED
from itsm_workflow_backends.memory import MemoryBackend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, TicketGateway
    from itsm_workflow.machine.approval_rule import Doubt
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.runtime.effects import Effect
    from itsm_workflow.storage.protocol import Conflict, EntryRow, Row, Write


class NoCompareAndSwap(MemoryBackend):
    """Takes the row that is written last, whatever version its writer had read."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes over whatever is there."""
        return super().commit([self._forced(write) for write in writes])

    def _forced(self, write: Write) -> Write:
        stored = self.get(write.row.id)
        if stored is None or stored.version == write.expected_version:
            return write
        entries: list[EntryRow] = [
            attrs.evolve(entry, seq=stored.seq + number) for number, entry in enumerate(write.entries, start=1)
        ]
        row: Row = attrs.evolve(write.row, version=stored.version + 1, seq=stored.seq + len(entries))
        return attrs.evolve(write, row=row, expected_version=stored.version, entries=tuple(entries))


class CreatesAgain:
    """A gateway with a client that sends a create once more when it was not answered."""

    def __init__(self, inner: TicketGateway) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the gateway has
        """Leave everything else to the gateway."""
        return getattr(self._inner, name)

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Send, and send again."""
        answer = self._inner.create(request)
        return self._inner.create(request) if isinstance(answer, Unknown) else answer


class EffectFirst(Workflow):
    """Carries out what follows from an approval before the approval is durable."""

    def __init__(self, *, effects: dict[str, Sequence[Effect]], **rest: Any) -> None:
        super().__init__(effects={}, **rest)
        commit = self._journal.storage.commit
        journal = self._journal

        def first_the_effect(writes: Sequence[Write], /) -> list[Conflict | None]:
            for write in writes:
                for entry in write.entries:
                    if entry.dest == State.APPROVED != entry.source:
                        call: Any = _Call(
                            id=f"{entry.change_id}:{entry.seq}", change=journal.load(entry.change_id).change
                        )
                        effects[State.APPROVED][0].run(call)
            return commit(writes)

        self._journal.storage.commit = first_the_effect  # type: ignore[method-assign]  # the defect


@attrs.frozen(kw_only=True)
class _Call:
    id: str
    change: Any
    name: str = "start"
    attempt: int = 1


@attrs.frozen(kw_only=True)
class BelievesTheEnd(ApprovalPolicy):
    """Takes every ticket that has ended for approved."""

    def judge(self, snapshot: Snapshot, *, applicant: str = "") -> Verdict | Doubt:
        """Approve what has ended."""
        return Verdict.APPROVED if snapshot.status in ENDED else super().judge(snapshot, applicant=applicant)


BELIEVES_THE_END = collector_change(BelievesTheEnd())
