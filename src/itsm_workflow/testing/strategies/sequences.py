"""Strategies of the events of a change: sequences of triggers, and callbacks with their faults."""

from __future__ import annotations

import datetime as dt
import enum
import functools
from typing import TYPE_CHECKING, Any

import attrs
from hypothesis import strategies as st

from itsm_workflow.change import ChangeRequest, Entry, Form
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.lint.domains import CannotSampleError
from itsm_workflow.lint.samples import constants_of, samples
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.definition import Facts
from itsm_workflow.machine.engine import fire, open_change
from itsm_workflow.policy import Policy
from itsm_workflow.runtime.arguments import check_flag
from itsm_workflow.settle import Step
from itsm_workflow.testing.strategies.evidence import aimed, right
from itsm_workflow.testing.strategies.values import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    from itsm_workflow.machine.definition import Transition, WorkflowDefinition

FORM = Form(title="Collect access logs", applicant="alice", approvers=("bob",))
POLICY = Policy(
    lookups=(dt.timedelta(), dt.timedelta(seconds=60)), effect_attempts=2, effect_backoff=dt.timedelta(seconds=1)
)
"""Short schedules, so that a test soon passes their end."""

pauses = st.sampled_from([0, 1, 5, 31, 61, 130, 500, 4000, 16 * 86400])
"""Seconds between two triggers: shorter and longer than each of the policy's waits."""


@attrs.define
class Walk:
    """One change under way, with its entries as a journal would keep them."""

    change: ChangeRequest
    entries: list[Entry]
    now: dt.datetime = NOW
    definition: WorkflowDefinition = COLLECTOR_CHANGE
    effects: Mapping[str, Sequence[str]] = attrs.field(factory=dict)
    policy: Policy = POLICY

    @classmethod
    def begin(cls, definition: WorkflowDefinition = COLLECTOR_CHANGE, **values: Any) -> Walk:
        """Return a walk whose change is a draft."""
        change, entry = open_change(
            definition, change_id="C1", subject="collector-1", form=FORM, now=NOW, actor="alice"
        )
        return cls(change, [entry], definition=definition, **values)

    def wait(self, seconds: float) -> None:
        """Advance the time."""
        self.now += dt.timedelta(seconds=seconds)

    def fire(self, trigger: str, evidence: object) -> Entry | None:
        """Fire a trigger, and keep the change and the entry.

        Raises:
            TransitionRefused: The machine refuses the trigger; the walk is unchanged.
        """
        self.change, entry = fire(
            self.definition,
            self.change,
            trigger,
            evidence,
            now=self.now,
            policy=self.policy,
            seq=len(self.entries) + 1,
            actor="carol",
            effects=self.effects,
        )
        if entry is not None:
            self.entries.append(entry)
        return entry


def steps_at(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    *,
    now: dt.datetime,
    policy: Policy = POLICY,
    evidence: Mapping[type, SearchStrategy[Any]] | None = None,
) -> SearchStrategy[Step]:
    """Return a strategy of triggers that the table has in the change's state, with evidence for them.

    About half of the drawn steps lead to another state, if some evidence for that was found. The other half holds
    evidence that matches the change, or nearly, and may be refused. Triggers that the shipped workflow does not have,
    those of a host, are drawn more often, including those that lead to no other state.

    Args:
        definition: The workflow.
        change: The change.
        now: The time.
        policy: The timings in force.
        evidence: Your own strategies for some types of evidence.
    """
    own = evidence or {}
    some = st.sampled_from(_pairs(definition, change)).flatmap(functools.partial(_brought, change, own))
    if own_pairs(definition, change):  # otherwise the library's many triggers would crowd them out
        some = own_steps_at(definition, change, evidence=evidence) | some
    leading = [
        st.builds(Step, st.just(trigger), drawn) for trigger, drawn in _leading(definition, change, now, policy, own)
    ]
    return st.one_of(*leading) | some if leading else some


def own_pairs(definition: WorkflowDefinition, change: ChangeRequest) -> list[tuple[str, type]]:
    """Return the triggers of the change's state that the shipped workflow lacks, with the types of their evidence."""
    library = {row.trigger.value for row in COLLECTOR_CHANGE.transitions}
    return [pair for pair in _pairs(definition, change) if pair[0] not in library]


def own_steps_at(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    *,
    fired: Collection[str] = (),
    evidence: Mapping[type, SearchStrategy[Any]] | None = None,
) -> SearchStrategy[Step]:
    """Return a strategy of these triggers in the change's state, with evidence that matches, or nearly.

    Triggers whose rows all stay come first until each was fired, since they may be out of reach after a trigger that
    moves the change.

    Args:
        definition: The workflow; `own_pairs` must return at least one pair for it.
        change: The change.
        fired: The triggers that were already fired on this change.
        evidence: Your own strategies for some types of evidence.
    """
    pairs = own_pairs(definition, change)
    leads = {row.trigger.value for row in definition.transitions if row.dest is not None}
    first = [pair for pair in pairs if pair[0] not in leads and pair[0] not in fired]
    return st.sampled_from(first or pairs).flatmap(functools.partial(_brought, change, evidence or {}))


def _pairs(definition: WorkflowDefinition, change: ChangeRequest) -> list[tuple[str, type]]:
    return [
        (row.trigger.value, kind)
        for row in definition.transitions
        if change.state in row.sources
        for kind in row.evidence_types
    ]


def _brought(
    change: ChangeRequest, own: Mapping[type, SearchStrategy[Any]], pair: tuple[str, type]
) -> SearchStrategy[Step]:
    trigger, kind = pair
    drawn = aimed(change, kind, own.get(kind))
    drawn |= own.get(kind, drawn.map(lambda one: right(change, one)))
    return st.builds(Step, st.just(trigger), drawn)


def _leading(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    now: dt.datetime,
    policy: Policy,
    own: Mapping[type, SearchStrategy[Any]],
) -> Iterator[tuple[str, SearchStrategy[Any]]]:
    """Yield evidence that passes the guard of each row to another state, or the host's strategy for the type."""
    for row in definition.transitions:
        if row.dest is not None and change.state in row.sources:
            for kind in row.evidence_types:
                passing = [] if kind in own else _passing(definition, row, kind, change, now, policy)
                if kind in own or passing:
                    yield row.trigger.value, own[kind] if kind in own else st.sampled_from(passing)


def _passing(  # noqa: PLR0917 - private, and the arguments have nothing in common
    definition: WorkflowDefinition, row: Transition, kind: type, change: ChangeRequest, now: dt.datetime, policy: Policy
) -> list[Any]:
    """Return the sampled evidence that passes the guard."""
    found = []
    try:
        made = samples(kind, change, now, constants=constants_of(definition, row.trigger))
    except CannotSampleError:
        return []
    for one in made:
        facts = Facts(
            change=change, evidence=one, now=now, policy=policy, approval=definition.approval, seq=0, actor="carol"
        )
        try:
            passes = row.guard(facts) is None
        except failures_in_a_test():  # firing the trigger shows the error of the guard
            passes = False
        if passes:
            found.append(one)
    return found


@st.composite
def trigger_sequences(
    draw: Callable[[SearchStrategy[Any]], Any],
    definition: WorkflowDefinition = COLLECTOR_CHANGE,
    *,
    evidence: Mapping[type, SearchStrategy[Any]] | None = None,
    most: int = 14,
) -> list[Step]:
    """Draw a sequence of triggers with evidence, each made for the change as the triggers before it left it.

    Some are refused when they are fired, since evidence that nearly matches is the most useful in tests.

    Args:
        draw: Passed by Hypothesis.
        definition: The workflow.
        evidence: Your own strategies for some types of evidence.
        most: The largest number of triggers.
    """
    walk, steps = Walk.begin(definition), list[Step]()
    for _ in range(draw(st.integers(1, most))):
        walk.wait(draw(pauses))
        step = draw(steps_at(definition, walk.change, now=walk.now, evidence=evidence))
        steps.append(step)
        try:
            walk.fire(step.trigger, step.evidence)
        except TransitionRefused:
            continue
    return steps


class Fate(enum.StrEnum):
    """The fate of a callback on its way from the gateway to the host."""

    DELIVERED = "delivered"
    DOUBLED = "doubled"
    """It is delivered twice."""
    LATE = "late"
    """It is held back until later callbacks have arrived."""
    LOST = "lost"
    """It never arrives, and the gateway does not notice."""
    UNDELIVERED = "undelivered"
    """It never arrives, and the gateway lists it as not delivered."""
    TAMPERED = "tampered"
    """It arrives with our credential, but with a changed body."""
    FORGED = "forged"
    """A forged callback without our credential arrives before it."""


@attrs.frozen(kw_only=True)
class DrawnCallback:
    """The fate of one callback.

    Attributes:
        place: The index of the callback among those that wait, modulo their number.
        fate: Its fate.
    """

    place: int
    fate: Fate


def callbacks(*, faults: bool = True) -> SearchStrategy[DrawnCallback]:
    """Return a strategy of fates of callbacks; without faults, all are delivered, in any order.

    Raises:
        TypeError: ``faults`` is neither True nor False.
    """
    check_flag("callbacks(faults=...)", faults)
    fates = list(Fate) if faults else [Fate.DELIVERED]
    return st.builds(DrawnCallback, place=st.integers(0, 3), fate=st.sampled_from(fates))
