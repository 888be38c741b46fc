"""The workflow of a collector's change request, and the table of an approval that other workflows reuse."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

import attrs

from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine import due, effect_updates, guards, updates, withdrawal
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval_rule import ApprovalPolicy
from itsm_workflow.machine.definition import Roles, Transition, WorkflowDefinition, unchanged, waits_for_a_person
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.machine.definition import DueRule
    from itsm_workflow.machine.exemption import Exemption

StateT = TypeVar("StateT", bound=enum.StrEnum)


class State(enum.StrEnum):
    """The state of a change request."""

    DRAFT = "draft"
    APPLYING = "applying"
    PENDING = "pending"
    FAILED_CALLBACK = "failed_callback"
    APPROVED = "approved"
    REJECTED = "rejected"


class Trigger(enum.StrEnum):
    """A trigger: it moves a change request to another state, or adds a fact to it."""

    REVISE = "revise"
    SUBMIT = "submit"
    RENUMBER = "renumber"
    MARK_SENDING = "mark_sending"
    MARK_UNSENT = "mark_unsent"
    MARK_UNKNOWN = "mark_unknown"
    NOTE_LOOKUP = "note_lookup"
    RECORD_TICKET = "record_ticket"
    REFUSE = "refuse"
    RESEND = "resend"
    RECEIVE_CALLBACK = "receive_callback"
    FAIL_CALLBACK = "fail_callback"
    RESUME = "resume"
    SUSPECT_ENDING = "suspect_ending"
    APPROVE = "approve"
    ATTEST_APPROVAL = "attest_approval"
    REJECT = "reject"
    RECORD_CONTRADICTION = "record_contradiction"
    REQUEST_WITHDRAWAL = "request_withdrawal"
    ACCEPT_AFTER_WITHDRAWAL = "accept_after_withdrawal"
    ABANDON = "abandon"
    RAISE_ATTENTION = "raise_attention"
    CLEAR_ATTENTION = "clear_attention"
    START_EFFECT = "start_effect"
    DELIVER_EFFECT = "deliver_effect"
    FAIL_EFFECT = "fail_effect"
    RETRY_EFFECT = "retry_effect"


_LIBRARY = frozenset(trigger.value for trigger in Trigger)

LABELS: Mapping[enum.StrEnum, Mapping[str, str]] = {
    State.DRAFT: {"zh": "草稿", "en": "Draft"},
    State.APPLYING: {"zh": "提单中", "en": "Filing the ticket"},
    State.PENDING: {"zh": "审批中", "en": "Waiting for approval"},
    State.FAILED_CALLBACK: {"zh": "审批中（回调未送达）", "en": "Waiting for approval (callback not delivered)"},
    State.APPROVED: {"zh": "已通过", "en": "Approved"},
    State.REJECTED: {"zh": "未通过", "en": "Not approved"},
}

COLLECTOR_ROLES = Roles(
    asking=State.APPLYING,
    waiting=State.PENDING,
    undelivered=State.FAILED_CALLBACK,
    granted=State.APPROVED,
    refused=State.REJECTED,
)


def approval_table(
    states: type[enum.StrEnum],
    initial: enum.StrEnum,
    roles: Roles,
    approval: None = None,
    later_rounds: Iterable[Roles] = (),
) -> tuple[Transition, ...]:
    """Return the transitions of one or more approvals between the given states; a host adds its own rows after them.

    Args:
        states: The enum of all states.
        initial: The state in which a change starts.
        roles: The states that play the parts of the approval, or of the first one.
        approval: No longer accepted: the approval rule belongs to the definition.
        later_rounds: The states of each further approval of the same change, in their order.

    Raises:
        TypeError: An argument has the wrong type, or an approval rule was given. A rule that differs from the
            definition's could never be met.
    """
    _check("approval_table", states=states, initial=initial, roles=roles)
    if approval is not None:
        raise TypeError("approval_table(approval=...) takes no rule: pass it once, to WorkflowDefinition(approval=...)")
    rounds = (roles, *later_rounds)
    begins = (initial, *(later.begins or before.granted for before, later in itertools.pairwise(rounds)))
    undecided = {state for one in rounds for state in (one.asking, one.waiting, one.undelivered)}
    submitted = tuple(state for state in states if state is not initial)
    settled = tuple(state for state in states if state not in undecided)
    tables = (_one_round(tuple(states), submitted, settled, *parts) for parts in zip(begins, rounds, strict=True))
    return tuple(row for rows in zip(*tables, strict=True) for row in _joined(rows))


def _joined(rows: tuple[Transition, ...]) -> Iterator[Transition]:
    """Yield one row of each round; if the row keeps the state, one row with the states of all rounds."""
    if rows[0].dest is None:
        sources = dict.fromkeys(state for row in rows for state in row.sources)
        yield attrs.evolve(rows[0], sources=tuple(sources))
    else:
        yield from rows


def _one_round(
    every: tuple[enum.StrEnum, ...],
    submitted: tuple[enum.StrEnum, ...],
    settled: tuple[enum.StrEnum, ...],
    draft: enum.StrEnum,
    roles: Roles,
) -> tuple[Transition, ...]:
    """Return the table of one approval.

    Args:
        every: All states.
        submitted: The states of a change that was submitted once or more.
        settled: The states in which no ticket is filed or waited for.
        draft: The state in which the ticket is submitted.
        roles: The states that play the parts of the approval.
    """
    T, row = Trigger, Transition  # noqa: N806 - a table reads better with short names
    asking, waiting, failed = roles.asking, roles.waiting, roles.undelivered
    granted, refused = roles.granted, roles.refused
    watched = (waiting, failed)
    # fmt: off
    return (
        row(trigger=T.REVISE, sources=(draft,), dest=None, evidence=ev.Drafted,
            update=updates.revised, note="replaces the form"),
        row(trigger=T.SUBMIT, sources=(draft,), dest=asking, evidence=ev.Submission,
            update=updates.submitted, note="claims the subject"),
        row(trigger=T.RENUMBER, sources=(asking, waiting), dest=None, evidence=ev.SubmissionNumber,
            guard=guards.number_is_higher, update=updates.renumbered, note="the subject's newest submission"),
        row(trigger=T.MARK_SENDING, sources=(asking,), dest=None, evidence=ev.AttemptMark,
            guard=guards.is_queued, update=updates.sending, note="stored before the first byte is sent"),
        row(trigger=T.MARK_UNSENT, sources=(asking,), dest=None, evidence=ev.AttemptMark,
            guard=guards.is_sending_by_owner, update=updates.unsent, note="no byte was sent"),
        row(trigger=T.MARK_UNKNOWN, sources=(asking,), dest=None, evidence=ev.AttemptMark,
            guard=guards.may_be_unknown, update=updates.unknown, note="there may be a ticket"),
        row(trigger=T.NOTE_LOOKUP, sources=(asking,), dest=None, evidence=ev.LookupNoted,
            guard=guards.is_unknown, update=updates.looked_up, note="no ticket found; the look-up is counted"),
        row(trigger=T.RECORD_TICKET, sources=(asking,), dest=waiting, evidence=ev.TicketConfirmed,
            guard=guards.ticket_is_ours, update=updates.recorded, note="it is what was sent, or an operator overrides"),
        row(trigger=T.RECORD_TICKET, sources=watched, dest=None, evidence=ev.TicketConfirmed,
            guard=guards.ticket_is_known, note="the same ticket again, no change"),
        row(trigger=T.REFUSE, sources=(asking,), dest=draft, evidence=ev.Refusal,
            guard=guards.answered_no, update=updates.refused, note="the subject is free again"),
        row(trigger=T.RESEND, sources=(asking,), dest=None, evidence=(ev.Decision, ev.AbsenceAttested),
            guard=guards.may_resend, update=updates.requeued, note="same key, next attempt number"),
        row(trigger=T.RECEIVE_CALLBACK, sources=submitted, dest=None, evidence=ev.CallbackHeard,
            guard=guards.callback_names_an_attempt, update=updates.heard, note="a hint that makes the change due now"),
        row(trigger=T.FAIL_CALLBACK, sources=(waiting,), dest=failed, evidence=ev.Undelivered,
            guard=guards.callback_was_undelivered, note="the gateway lists the callback as not delivered"),
        row(trigger=T.RESUME, sources=(failed,), dest=waiting, evidence=ev.Snapshot,
            guard=guards.ticket_is_open, update=updates.resumed, note="the ticket is still open"),
        row(trigger=T.RESUME, sources=(waiting,), dest=None, evidence=ev.Snapshot,
            guard=guards.suspicion_is_gone, update=updates.resumed, note="the ticket is open again"),
        row(trigger=T.SUSPECT_ENDING, sources=watched, dest=None, evidence=ev.Snapshot,
            guard=guards.ending_is_new, update=updates.suspected, note="withdrawn or terminated: look again"),
        row(trigger=T.APPROVE, sources=watched, dest=granted, evidence=ev.Snapshot,
            guard=guards.is_approved, update=updates.approved, note="finished and approved in an approval step"),
        row(trigger=T.APPROVE, sources=(granted,), dest=None, evidence=ev.Snapshot,
            guard=guards.confirms_outcome, note="the same outcome again"),
        row(trigger=T.ATTEST_APPROVAL, sources=watched, dest=granted, evidence=ev.ApprovalAttested,
            guard=guards.may_attest, update=updates.attested, note="the gateway cannot show the approval"),
        row(trigger=T.REJECT, sources=watched, dest=refused, evidence=ev.Snapshot,
            guard=guards.is_refused, update=updates.rejected, note="refused, or withdrawn or terminated for good"),
        row(trigger=T.REJECT, sources=(refused,), dest=None, evidence=ev.Snapshot,
            guard=guards.confirms_outcome, note="the same outcome again"),
        row(trigger=T.RECORD_CONTRADICTION, sources=settled, dest=None, evidence=(ev.Snapshot, ev.LateTicket),
            guard=guards.is_contradiction, update=updates.contradicted, note="recorded, and raises attention"),
        row(trigger=T.REQUEST_WITHDRAWAL, sources=(asking, *watched), dest=None, evidence=ev.Decision,
            update=updates.withdrawal_planned, note="plans the effect withdraw"),
        row(trigger=T.ACCEPT_AFTER_WITHDRAWAL, sources=watched, dest=None, evidence=ev.Decision,
            guard=withdrawal.may_be_accepted, update=updates.accepted_after_withdrawal,
            note="the ticket counts despite its withdrawal"),
        row(trigger=T.ABANDON, sources=(draft,), dest=refused, evidence=ev.Decision,
            update=updates.abandoned, note="given up"),
        row(trigger=T.ABANDON, sources=(asking,), dest=refused, evidence=ev.Decision,
            guard=guards.may_abandon, update=updates.abandoned, note="given up, no ticket is known"),
        row(trigger=T.ABANDON, sources=watched, dest=refused, evidence=ev.Decision,
            guard=guards.may_be_given_up, update=updates.abandoned,
            note="given up: the approval is unproven, or the flow has not started"),
        row(trigger=T.RAISE_ATTENTION, sources=every, dest=None, evidence=ev.Concern,
            update=updates.attention_raised, note="an operator should look"),
        row(trigger=T.CLEAR_ATTENTION, sources=every, dest=None, evidence=ev.Decision,
            guard=guards.may_clear_attention, update=updates.attention_cleared, note="an operator has looked"),
        row(trigger=T.START_EFFECT, sources=every, dest=None, evidence=ev.EffectStart,
            guard=guards.effect_may_start, update=effect_updates.started, note="stored before the work starts"),
        row(trigger=T.DELIVER_EFFECT, sources=every, dest=None, evidence=ev.EffectResult,
            guard=guards.effect_was_done, update=effect_updates.delivered, note="the work is done"),
        row(trigger=T.FAIL_EFFECT, sources=every, dest=None, evidence=ev.EffectResult,
            guard=guards.effect_has_failed, update=effect_updates.failed, note="the delivery failed, and is counted"),
        row(trigger=T.RETRY_EFFECT, sources=every, dest=None, evidence=ev.EffectRetry,
            guard=guards.effect_is_parked, update=effect_updates.retried, note="an operator retries a parked effect"),
    )
    # fmt: on


def approval_workflow(
    name: str,
    *,
    states: type[StateT],
    roles: Roles,
    transitions: Iterable[Transition] = (),
    version: int = 1,
    initial: StateT | None = None,
    approval: ApprovalPolicy = ApprovalPolicy(),  # noqa: B008 - frozen
    grants: Mapping[StateT, bool] | None = None,
    due_rules: Mapping[StateT, DueRule] | None = None,
    labels: Mapping[StateT, Mapping[str, str]] | None = None,
    effects: Mapping[StateT, tuple[str, ...]] | None = None,
    exemptions: Iterable[Exemption] = (),
    later_rounds: Iterable[Roles] = (),
) -> WorkflowDefinition:
    """Return a workflow that waits for an approval ticket and then continues with the host's own transitions.

    The states that no transition leaves are final. The states of the approval use the due rules of the shipped
    workflow. Every other state waits for a person, unless ``due_rules`` has a rule for it.

    Args:
        name: The name that is stored with each change; lower_snake.
        states: The enum of all states.
        roles: The states that play the parts of the approval, or of the first one.
        transitions: The host's own transitions, after those of the approval.
        version: See `WorkflowDefinition`.
        initial: The state of a draft; by default the first member of the enum.
        approval: The rule by which a ticket counts as approved.
        grants: See `WorkflowDefinition`.
        due_rules: The due rule of each state of the host.
        labels: See `WorkflowDefinition`.
        effects: See `WorkflowDefinition`.
        exemptions: See `WorkflowDefinition`.
        later_rounds: The states of each further approval of the same change, in their order, see `Roles.begins`.

    Raises:
        TypeError: An argument has the wrong type.
        DefinitionError: The table contradicts itself. The message lists each problem with its state or trigger.
    """
    own_rules = due_rules or {}
    _check("approval_workflow", states=states, roles=roles, transitions=transitions, due_rules=own_rules)
    _check("approval_workflow", exemptions=exemptions)
    first = next(iter(states)) if initial is None else initial
    _check("approval_workflow", initial=first)
    own, later = tuple(transitions), tuple(later_rounds)
    for one in later:
        _check("approval_workflow", later_rounds=one)
    for number, row in enumerate(own):
        if not isinstance(row, Transition):
            raise TypeError(f"approval_workflow(transitions=...): item {number} is {kind_of(row)}, not a Transition")
        if isinstance(row.trigger, Trigger):
            continue
        if str(row.trigger) in _LIBRARY:
            raise _invalid(
                name,
                f"trigger {row.trigger!s} has the name of a trigger of the library, which only the library fires: "
                "give it another name",
            )
        if row.dest is None and row.update is unchanged:
            raise _invalid(
                name,
                f"trigger {row.trigger!s} keeps the state and has no update, so its evidence would be lost: "
                "keep the evidence by an update, for example in data",
            )
    rows = (*approval_table(states, first, roles, later_rounds=later), *own)
    sources = {state for row in rows for state in _left_by(row)}
    rules: dict[object, DueRule] = {state: waits_for_a_person for state in states if state in sources}
    for one in (roles, *later):
        rules |= {one.asking: due.asking_due, one.waiting: due.waiting_due, one.undelivered: due.undelivered_due}
    return WorkflowDefinition(
        name=name,
        version=version,
        states=states,
        initial=first,
        final=frozenset(states) - sources,
        roles=roles,
        transitions=rows,
        approval=approval,
        grants=grants or {},
        due=rules | dict(own_rules),
        labels=labels or {},
        effects=effects or {},
        exemptions=tuple(exemptions),
        later_rounds=later,
    )


def _invalid(name: str, problem: str) -> DefinitionError:
    return DefinitionError(f"workflow {name!r} is invalid: {problem}", problems=(problem,))


def _left_by(row: Transition) -> Iterator[object]:
    """Yield the states that a row leaves; a field of the wrong type is reported when the definition is built."""
    sources: object = row.sources
    if row.dest is not None and isinstance(sources, tuple | list):
        yield from (source for source in sources if source is not row.dest)


def _have_members(states: object) -> bool:
    return isinstance(states, type) and issubclass(states, enum.StrEnum) and len(states) > 0


_PARTS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "states": (_have_members, "a StrEnum with members, the class"),
    "initial": (lambda value: isinstance(value, enum.StrEnum), "a state, a member of that StrEnum"),
    "roles": (lambda value: isinstance(value, Roles), "Roles"),
    "later_rounds": (lambda value: isinstance(value, Roles), "Roles, one for each further approval"),
    "transitions": (lambda value: isinstance(value, Iterable), "a list of Transition"),
    "exemptions": (lambda value: isinstance(value, Iterable), "a list of Exemption"),
    "due_rules": (lambda value: isinstance(value, Mapping), "due rules by state, as a dictionary"),
}
"""By argument, whether a value has its type, and what the argument takes."""


def _check(method: str, **given: object) -> None:
    """Reject an argument of the wrong type before a table is built from it."""
    for name, value in given.items():
        fits, wanted = _PARTS[name]
        if not fits(value):
            raise TypeError(f"{method}({name}=...) takes {wanted}, not {kind_of(value)}")


def collector_change(approval: ApprovalPolicy = ApprovalPolicy()) -> WorkflowDefinition:  # noqa: B008 - frozen
    """Return the collector workflow with the given approval rule."""
    return approval_workflow("collector_change", states=State, roles=COLLECTOR_ROLES, approval=approval, labels=LABELS)


COLLECTOR_CHANGE = collector_change()
