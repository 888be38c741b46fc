"""A workflow definition as data: the states, and the transitions between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import attrs

from itsm_workflow.change import Outcome
from itsm_workflow.machine.analysis import check
from itsm_workflow.machine.approval_rule import ApprovalPolicy
from itsm_workflow.machine.exemption import Exemption  # noqa: TC001 - the type of a field
from itsm_workflow.readonly import ReadOnlyDict

if TYPE_CHECKING:
    import datetime as dt
    import enum
    from collections.abc import Callable

    from transitions import Machine

    from itsm_workflow.change import Attempt, ChangeRequest, Ticket
    from itsm_workflow.policy import Policy


EvidenceT = TypeVar("EvidenceT")


class FactMissingError(Exception):
    """A guard read a fact that the change does not have. The engine turns it into a refusal."""


@attrs.frozen(kw_only=True)
class Facts:
    """The input of a guard and an update. Both are pure functions of these facts.

    Attributes:
        change: The change before the transition.
        evidence: An instance of the transition's evidence type.
        now: The time at which the trigger fires.
        policy: The timings in force.
        approval: The definition's approval rule.
        seq: The number of the new entry.
        actor: The user or program that fires the trigger.
    """

    change: ChangeRequest
    evidence: object
    now: dt.datetime
    policy: Policy
    approval: ApprovalPolicy
    seq: int
    actor: str

    def expect(self, kind: type[EvidenceT]) -> EvidenceT:
        """Return the evidence, checked to be an instance of that type."""
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
"""A function that returns None, or the reason why the transition is not allowed."""

Update: TypeAlias = "Callable[[Facts], ChangeRequest]"
"""A function that returns the change with the evidence applied."""


class DueRule(Protocol):
    """A function that decides when a change in a state falls due."""

    def __call__(
        self, change: ChangeRequest, now: dt.datetime, policy: Policy, /, *, looked: bool
    ) -> dt.datetime | None:
        """Return the time of the next look, or None for never; ``looked`` is true right after the gateway was asked."""
        ...


def always(_facts: Facts) -> str | None:
    """Allow the transition for all facts."""
    return None


def unchanged(facts: Facts) -> ChangeRequest:
    """Return the change unchanged; the engine sets the state."""
    return facts.change


def waits_for_a_person(
    _change: ChangeRequest, _now: dt.datetime, _policy: Policy, *, looked: bool
) -> dt.datetime | None:
    """Never fall due: only a trigger of the host moves the change."""
    _ = looked
    return None


@attrs.frozen(kw_only=True)
class Transition:
    """One row of the table.

    Attributes:
        trigger: The trigger that makes the transition.
        sources: The states in which the trigger is allowed.
        dest: The state after the transition, or None to keep the state and only add facts.
        evidence: The type, or types, of evidence that the trigger requires.
        guard: Returns None, or the reason why the transition is not allowed.
        update: Returns the change with the evidence applied; the engine sets the state.
        note: The meaning in a few words, for tables and diagrams.
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
    """The states that play the parts of an approval. The settle logic uses these parts, not the names of states.

    Attributes:
        asking: The ticket is being filed.
        waiting: The ticket waits for its approvers.
        undelivered: The gateway could not deliver its callback.
        granted: The ticket was approved. This state need not be final.
        refused: The change ended without approval.
        begins: The state in which the ticket of a later round is submitted; by default the granted state of the round
            before. The first round begins in the initial state, and has None here.
    """

    asking: enum.StrEnum
    waiting: enum.StrEnum
    undelivered: enum.StrEnum
    granted: enum.StrEnum
    refused: enum.StrEnum
    begins: enum.StrEnum | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class WorkflowDefinition:
    """A workflow definition, checked when it is built.

    Attributes:
        name: Stored with each change; lower_snake.
        version: A whole number from 1, stored with each change. Increment it when a new table would leave stored
            changes without a way out.
        states: The enum of all states.
        initial: The state in which a change starts.
        final: The states without a way out.
        roles: The states that play the parts of an approval, or of the first one.
        transitions: The rows of the transition table.
        approval: The rule by which a ticket counts as approved. Guards get it in their `Facts`.
        grants: For each state of the host, whether `require_approved` accepts a subject whose newest change is in it.
            By default only the granted role of the last approval grants. It can be declared not to grant if another
            state does. A state that is not listed does not grant.
        due: For each state that is not final, when a change in it falls due.
        labels: For each state, its display name by language (``zh``, ``en``).
        effects: For each state, the names of the effects to plan when a change enters it. The functions belong to the
            process that delivers them, see `itsm_workflow.Effect`.
        exemptions: The rules of the linter that the workflow breaks on purpose, each with its reason.
        later_rounds: The states of each further approval of the same change, in their order. Each has a submission, a
            key and a ticket of its own.

    Raises:
        DefinitionError: An argument has the wrong type, or the table contradicts itself. The message lists each problem
            with its state or trigger.
    """

    name: str
    version: int
    states: type[enum.StrEnum]
    initial: enum.StrEnum
    final: frozenset[enum.StrEnum]
    roles: Roles
    transitions: tuple[Transition, ...]
    approval: ApprovalPolicy = ApprovalPolicy()
    # A mapping with the members of one enum as keys is not a mapping of StrEnum to a type checker.
    grants: Mapping[Any, bool] = attrs.field(factory=dict)
    due: Mapping[Any, DueRule]
    labels: Mapping[Any, Mapping[str, str]] = attrs.field(factory=dict)
    effects: Mapping[Any, tuple[str, ...]] = attrs.field(factory=dict)
    exemptions: tuple[Exemption, ...] = ()
    later_rounds: tuple[Roles, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Reject a table that contradicts itself, and keep it from being changed after that."""
        for name in ("grants", "due", "labels", "effects"):
            given = getattr(self, name)
            if isinstance(given, Mapping):
                object.__setattr__(self, name, ReadOnlyDict(given))  # the class is frozen
        check(self, roles=Roles, transition=Transition)

    def __repr__(self) -> str:
        table = f"{len(self.states)} states, {len(self.transitions)} transitions"
        return f"<WorkflowDefinition {self.name} version {self.version}: {table}>"

    def _repr_mimebundle_(self, **options: object) -> dict[str, str]:
        """Show the graph of the workflow in a notebook."""
        from itsm_workflow.pictures.graph import Graph  # noqa: PLC0415 - the pictures import this module

        return {**Graph(definition=self)._repr_mimebundle_(**options), "text/plain": repr(self)}

    @property
    def evidence_types(self) -> Mapping[str, type]:
        """The evidence types of the table, by class name."""
        return {kind.__name__: kind for row in self.transitions for kind in row.evidence_types}

    def machine(self, kind: type[Machine] | None = None) -> Machine:
        """Return a new `transitions.Machine` of the table, for tools that work with such a machine.

        The machine is its own model, which is the default of `transitions`. Its triggers take the `Facts` of a
        transition: ``machine.submit(facts)``. It stores nothing; only `Workflow` moves a change. With the diagram
        extension of `transitions` it draws the table::

            from transitions.extensions import GraphMachine

            print(COLLECTOR_CHANGE.machine(GraphMachine).get_graph().source)

        Args:
            kind: The class of the machine; `transitions.Machine` by default.
        """
        from itsm_workflow.machine.engine import machine_of  # noqa: PLC0415 - the engine imports this module

        return machine_of(self, kind)

    @property
    def rounds(self) -> tuple[Roles, ...]:
        """The roles of each approval, in their order."""
        return (self.roles, *self.later_rounds)

    def roles_in(self, state: str) -> Roles:
        """Return the roles of the approval to which a state belongs; those of the first one for any other state."""
        for roles in self.later_rounds:
            if state in {roles.asking, roles.waiting, roles.undelivered, roles.granted, roles.refused}:
                return self.roles if state == self.roles.refused else roles
        return self.roles

    def is_waiting(self, state: str) -> bool:
        """Return whether a ticket waits for its approvers in the state."""
        return state == self.roles_in(state).waiting

    def is_asking(self, state: str) -> bool:
        """Return whether a ticket is being filed in the state."""
        return state == self.roles_in(state).asking

    def begins(self, roles: Roles) -> enum.StrEnum:
        """Return the state in which the ticket of an approval is submitted."""
        place = self.rounds.index(roles)
        return self.initial if not place else roles.begins or self.rounds[place - 1].granted

    def is_submitted_in(self, state: str) -> bool:
        """Return whether a ticket is submitted from the state: it is the initial one, or begins a later approval."""
        return any(state == self.begins(roles) for roles in self.rounds)

    def rows(self, state: str, trigger: str) -> tuple[Transition, ...]:
        """Return the rows for one trigger in one state."""
        return tuple(row for row in self.transitions if row.trigger == trigger and state in row.sources)

    def triggers(self, state: str) -> tuple[str, ...]:
        """Return the triggers of a state, without duplicates, in the order of the table."""
        return tuple(dict.fromkeys(row.trigger.value for row in self.transitions if state in row.sources))

    def is_granting(self, state: str) -> bool:
        """Return whether `require_approved` accepts a subject whose newest change is in that state."""
        declared = {known.value: grants for known, grants in self.grants.items()}
        return declared.get(state, state == self.rounds[-1].granted)

    def outcome_in(self, state: str, outcome: Outcome | None) -> Outcome | None:
        """Return the outcome to store in a state: approved only if the state grants."""
        if outcome not in {Outcome.APPROVED, Outcome.WAS_APPROVED}:
            return outcome
        return Outcome.APPROVED if self.is_granting(state) else Outcome.WAS_APPROVED

    def is_open(self, change: ChangeRequest) -> bool:
        """Return whether the change holds its subject: it was submitted and has not ended."""
        return change.state != self.initial and change.state not in self.final
