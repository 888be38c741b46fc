"""Strategies of evidence: of any content, as a gateway gives it, or matching one change."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from hypothesis import strategies as st

from itsm_workflow.change import AttentionReason, ChangeRequest, Entry, Form
from itsm_workflow.lint.domains import DECISIONS, LOOKS, fields_of, own_values
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import State, Trigger
from itsm_workflow.testing.strategies.values import (
    clock_moments,
    deciders,
    digests,
    effect_ids,
    enums,
    flags,
    forms,
    frozen,
    ids,
    json_values,
    keys,
    moments,
    names_by_state,
    numbers,
    optional,
    owners,
    people,
    sns,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

snapshots = st.builds(
    ev.Snapshot,
    ticket_id=ids,
    sn=sns,
    status=enums(ev.TicketStatus),
    word=texts,
    seen_at=moments,
    result_status=optional(enums(ev.TicketStatus)),
    approve_result=optional(flags),
    approval_step=optional(flags),
    step_running=optional(flags),
    decision=optional(st.sampled_from([*DECISIONS, "True", ""])),
    ambiguous=flags,
    closed_by=texts,
    deciders=st.lists(deciders, max_size=2).map(tuple),
    inconclusive=st.just("") | texts,
)
endings = st.builds(
    lambda seen, status, result: attrs.evolve(seen, status=status, result_status=result or status, decision="true"),
    snapshots,
    st.sampled_from(sorted(ev.ENDED)),
    st.sampled_from([None, None, None, ev.TicketStatus.FINISHED]),
)
"""Snapshots of ended tickets; the gateway's two answers mostly agree."""
decided = st.builds(
    lambda seen, approved: attrs.evolve(
        seen,
        status=ev.TicketStatus.FINISHED,
        approve_result=approved,
        approval_step=True,
        ambiguous=False,
        inconclusive="",
    ),
    endings,
    flags,
)
"""Snapshots of decided tickets, mostly without anything in doubt."""
recorded_looks: SearchStrategy[ev.Snapshot] = st.builds(
    lambda look, values: ev.Snapshot(
        **{"result_status": look["status"], "word": look["status"].upper(), "closed_by": "alice", **values, **look}
    ),
    st.sampled_from(LOOKS),
    st.fixed_dictionaries({"ticket_id": ids, "sn": sns, "seen_at": moments}),
)
"""Snapshots of a ticket as BK-ITSM shows it."""

confirmations = st.builds(
    ev.TicketConfirmed,
    gateway=st.just("bk_itsm"),
    id=ids,
    sn=sns,
    url=texts,
    key=keys,
    creator=people,
    channel=enums(ev.Channel),
    problem=texts,
    differences=st.just(()) | st.lists(texts, max_size=2).map(tuple),
    override=st.just("") | texts,
)
EVIDENCE: Mapping[type, SearchStrategy[Any]] = {
    ev.Decision: st.builds(ev.Decision, reason=texts),
    ev.AbsenceAttested: st.builds(ev.AbsenceAttested, reason=texts, evidence=texts),
    ev.Drafted: st.builds(ev.Drafted, form=forms),
    ev.Submission: st.builds(
        ev.Submission,
        key=keys,
        creator=people,
        service=texts,
        owner=owners,
        number=numbers,
        effects=names_by_state,
        trace=texts,
    ),
    ev.SubmissionNumber: st.builds(ev.SubmissionNumber, number=st.integers(1, 9)),
    ev.AttemptMark: st.builds(ev.AttemptMark, number=numbers, owner=owners, problem=texts, at=optional(clock_moments)),
    ev.LookupNoted: st.builds(
        ev.LookupNoted, number=numbers, answered=flags, problem=texts, at=optional(clock_moments)
    ),
    ev.TicketConfirmed: confirmations,
    ev.Refusal: st.builds(
        ev.Refusal, number=numbers, owner=owners, remote_code=st.integers(), message=texts, looked_up=flags
    ),
    ev.CallbackHeard: st.builds(ev.CallbackHeard, sn=sns, digest=digests, number=st.integers(0, 3)),
    ev.Undelivered: st.builds(ev.Undelivered, sn=sns),
    ev.Snapshot: recorded_looks | decided | endings | snapshots,
    ev.ApprovalAttested: st.builds(ev.ApprovalAttested, ticket_id=ids, approver=people, evidence=texts),
    ev.LateTicket: st.builds(ev.LateTicket, gateway=st.just("bk_itsm"), id=ids, sn=sns),
    ev.Concern: st.builds(ev.Concern, reason=enums(AttentionReason), facts=frozen(texts)),
    ev.EffectStart: st.builds(
        ev.EffectStart, effect=effect_ids, attempt=st.integers(0, 9), until=moments, owner=owners
    ),
    ev.EffectResult: st.builds(
        ev.EffectResult,
        effect=effect_ids,
        attempt=st.integers(0, 9),
        error=st.just("") | texts,
        final=flags,
        withdrawal=optional(enums(ev.Withdrawal)),
    ),
    ev.EffectRetry: st.builds(ev.EffectRetry, effect=effect_ids, reason=texts),
}
"""A strategy of instances for each type of evidence."""

evidence: SearchStrategy[Any] = st.one_of(*EVIDENCE.values())
entries = st.builds(
    Entry,
    change_id=st.just("C1"),
    seq=st.just(1),
    at=moments,
    trigger=enums(Trigger).map(str),
    source=enums(State).map(str),
    dest=enums(State).map(str),
    actor=texts,
    evidence=evidence,
    effects=st.lists(effect_ids, max_size=2).map(tuple),
)


def evidence_of(kind: type) -> SearchStrategy[Any]:
    """Return a strategy of instances of an attrs class: the library's strategy, or one derived from the annotations."""
    known = EVIDENCE.get(kind)
    if known is not None:
        return known
    return st.builds(_named(kind), **{name: _of(hint) for name, hint, _ in fields_of(kind)})


def _named(kind: type) -> Callable[..., object]:
    """Return the class as a function whose errors, such as those of a validator, say what to pass instead."""

    @functools.wraps(kind, updated=())
    def made(**values: object) -> object:
        try:
            return kind(**values)
        except Exception as error:
            name = kind.__name__
            error.add_note(
                f"raised for evidence {name}, made from its annotations: pass a strategy, evidence={{{name}: ...}}"
            )
            raise

    return made


def aimed(change: ChangeRequest, kind: type[Any], strategy: SearchStrategy[Any] | None = None) -> SearchStrategy[Any]:
    """Return a strategy of evidence whose key, ticket and so on are all the change's, or only some of them.

    Args:
        change: The change.
        kind: The type of the evidence, an attrs class.
        strategy: The strategy for the other values; by default `evidence_of` the type.
    """
    names = {field.name for field in attrs.fields(kind)}
    own = {name: st.just(value) for name, value in own_values(kind, change).items() if name in names}
    return st.builds(
        lambda one, some: attrs.evolve(one, **some),
        evidence_of(kind) if strategy is None else strategy,
        st.fixed_dictionaries(own) | st.fixed_dictionaries({}, optional=own),
    )


def right(change: ChangeRequest, brought: Any) -> Any:  # noqa: ANN401 - evidence of any type
    """Return the evidence with all identifying values set to the change's."""
    names = {field.name for field in attrs.fields(type(brought))}
    return attrs.evolve(
        brought, **{name: value for name, value in own_values(type(brought), change).items() if name in names}
    )


def _of(hint: Any) -> SearchStrategy[Any]:  # noqa: ANN401 - an annotation
    """Return a strategy of storable values of a type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return st.one_of(*map(_of, arguments))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return frozen(_of(arguments[1]))
    if isinstance(origin, type) and issubclass(origin, tuple):
        return st.lists(_of(arguments[0]), max_size=2).map(tuple)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return enums(hint)
    if isinstance(hint, type) and attrs.has(hint):
        return forms if hint is Form else evidence_of(hint)
    plain = {str: texts, object: json_values, Any: json_values, dt.datetime: moments, int: st.integers(-5, 200)}
    return plain[hint] if hint in plain else st.from_type(hint)
