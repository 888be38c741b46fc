"""A workflow as data: states, and the transitions between them. Everything else is derived from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import attrs

from itsm_workflow.change import Outcome
from itsm_workflow.machine.analysis import check
from itsm_workflow.machine.approval_rule import ApprovalPolicy

if TYPE_CHECKING:
    import datetime as dt
    import enum
    from collections.abc import Callable, Mapping

    from transitions import Machine

    from itsm_workflow.change import Attempt, ChangeRequest, Ticket
    from itsm_workflow.policy import Policy


EvidenceT = TypeVar("EvidenceT")


class FactMissingError(Exception):
    """A guard asked for a fact that the change does not have; the engine turns it into a refusal."""


@attrs.frozen(kw_only=True)
class Facts:
    """What a guard judges and an update uses. Guards and updates are pure: these are all they may look at.

    Attributes:
        change: The change as it is.
        evidence: An instance of the transition's evidence type.
        now: The time of the firing.
        policy: The timings in force.
        approval: The definition's rule of approval.
        seq: The number that the entry will have.
        actor: On whose behalf.
    """

    change: ChangeRequest
    evidence: object
    now: dt.datetime
    policy: Policy
    approval: ApprovalPolicy
    seq: int
    actor: str

    def expect(self, kind: type[EvidenceT]) -> EvidenceT:
        """Return the evidence as an instance of that type."""
        if isinstance(self.evidence, kind):
            return self.evidence
        raise FactMissingError(f"it needs {kind.__name__}, not {type(self.evidence).__name__}")

    @property
    def attempt(self) -> Attempt:
        """The change's attempt."""
        if self.change.attempt is None:
            raise FactMissingError("the change was never submitted")
        return self.change.attempt

    @property
    def ticket(self) -> Ticket:
        """The change's ticket."""
        if self.change.ticket is None:
            raise FactMissingError("the change has no ticket")
        return self.change.ticket


Guard: TypeAlias = "Callable[[Facts], str | None]"
"""Returns None, or the reason why the transition may not be made."""

Update: TypeAlias = "Callable[[Facts], ChangeRequest]"
"""Returns the change with the evidence in it."""


class DueRule(Protocol):
    """Says when a change in a state falls due."""

    def __call__(
        self, change: ChangeRequest, now: dt.datetime, policy: Policy, /, *, looked: bool
    ) -> dt.datetime | None:
        """Return when to look next, or None for never; ``looked`` tells that the gateway was just asked."""
        ...


def always(_facts: Facts) -> str | None:
    """Hold whatever the facts are."""
    return None


def unchanged(facts: Facts) -> ChangeRequest:
    """Leave the change as it is, apart from its state."""
    return facts.change


def waits_for_a_person(
    _change: ChangeRequest, _now: dt.datetime, _policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Never fall due: only a trigger from outside leads on."""
    _ = looked
    return None


@attrs.frozen(kw_only=True)
class Transition:
    """One row of the table.

    Attributes:
        trigger: What moves the machine.
        sources: The states from which it may.
        dest: The state it leads to, or None: the state stays, facts are added.
        evidence: The type, or types, of facts that the trigger must bring.
        guard: Returns None, or the reason why not.
        update: Returns the change with the facts in it; the state is set by the engine.
        note: What it means, in a few words, for tables and diagrams.
    """

    trigger: enum.StrEnum
    sources: tuple[enum.StrEnum, ...]
    dest: enum.StrEnum | None
    evidence: type | tuple[type, ...]
    guard: Guard = always
    update: Update = unchanged
    note: str = ""

    @property
    def evidence_types(self) -> tuple[type, ...]:
        """The evidence types as a tuple."""
        return self.evidence if isinstance(self.evidence, tuple) else (self.evidence,)


@attrs.frozen(kw_only=True)
class Roles:
    """Which states play the parts of an approval. The settle logic knows parts, never names.

    Attributes:
        asking: The ticket is being filed.
        waiting: The ticket waits for its approvers.
        undelivered: The gateway could not deliver its callback.
        granted: The ticket was approved. Need not be final.
        refused: The change ended without approval.
    """

    asking: enum.StrEnum
    waiting: enum.StrEnum
    undelivered: enum.StrEnum
    granted: enum.StrEnum
    refused: enum.StrEnum


@attrs.frozen(kw_only=True, eq=False)
class WorkflowDefinition:
    """A workflow. Checked when it is built.

    Attributes:
        name: Stored with each change; lower_snake.
        version: A whole number from 1. Raised when a change of the table would strand stored changes; stored with each
            change.
        states: The enum of all states.
        initial: Where a change starts.
        final: The states without a way out.
        roles: Which states play the parts of an approval.
        transitions: The table.
        approval: The rule by which a ticket counts as approved. Guards get it in their `Facts`.
        grants: For each state of a host's own, whether `require_approved` lets a subject through whose newest change is
            in it. The states that play a part need no word: only the granted one grants. It may be declared not to,
            if another state does. A state of which nothing is said does not grant.
        due: For each state that is not final, when a change in it falls due.
        labels: For each state, its name for people, by language (``zh``, ``en``).
        effects: For each state, the names of the effects that entering it plans. The functions belong to the process
            that delivers them, `itsm_workflow.Effect`.

    Raises:
        DefinitionError: An argument is of another type, or the table contradicts itself; the message names the culprit.
    """

    name: str
    version: int
    states: type[enum.StrEnum]
    initial: enum.StrEnum
    final: frozenset[enum.StrEnum]
    roles: Roles
    transitions: tuple[Transition, ...]
    approval: ApprovalPolicy = ApprovalPolicy()
    grants: Mapping[enum.StrEnum, bool] = attrs.field(factory=dict)
    due: Mapping[enum.StrEnum, DueRule]
    labels: Mapping[enum.StrEnum, Mapping[str, str]] = attrs.field(factory=dict)
    effects: Mapping[enum.StrEnum, tuple[str, ...]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Refuse a table that contradicts itself."""
        check(self, roles=Roles, transition=Transition)

    @property
    def evidence_types(self) -> Mapping[str, type]:
        """All evidence types of the table by class name."""
        return {kind.__name__: kind for row in self.transitions for kind in row.evidence_types}

    def machine(self, kind: type[Machine] | None = None) -> Machine:
        """Return a new `transitions.Machine` of the table, for the tools that work on one.

        The machine is its own first model, as `transitions` has it, and its triggers take the `Facts` of a firing:
        ``machine.submit(facts)``. It stores nothing: a change moves through `Workflow` alone. With the diagram
        extension of `transitions` it draws the table::

            from transitions.extensions import GraphMachine

            print(COLLECTOR_CHANGE.machine(GraphMachine).get_graph().source)

        Args:
            kind: The class of the machine; `transitions.Machine` by default.
        """
        from itsm_workflow.machine.engine import machine_of  # noqa: PLC0415 - the engine imports this module

        return machine_of(self, kind)

    def rows(self, state: str, trigger: str) -> tuple[Transition, ...]:
        """Return the rows for one trigger in one state."""
        return tuple(row for row in self.transitions if row.trigger == trigger and state in row.sources)

    def triggers(self, state: str) -> tuple[str, ...]:
        """Return the triggers that the table has for a state, in its order, each once."""
        return tuple(dict.fromkeys(row.trigger.value for row in self.transitions if state in row.sources))

    def is_granting(self, state: str) -> bool:
        """Return whether a change in that state lets its subject through `require_approved`."""
        declared = {known.value: grants for known, grants in self.grants.items()}
        return declared.get(state, state == self.roles.granted)

    def outcome_in(self, state: str, outcome: Outcome | None) -> Outcome | None:
        """Return what an outcome is called in a state: approved only where the state grants."""
        if outcome not in {Outcome.APPROVED, Outcome.WAS_APPROVED}:
            return outcome
        return Outcome.APPROVED if self.is_granting(state) else Outcome.WAS_APPROVED

    def is_open(self, change: ChangeRequest) -> bool:
        """Tell whether the change holds its subject: it was submitted and has not ended."""
        return change.state != self.initial and change.state not in self.final
