"""Strategies of plain values: changes of any content and their parts, drawn from few names so that they coincide."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from itsm_workflow.change import (
    WITHDRAW,
    Attempt,
    Attention,
    AttentionReason,
    ChangeRequest,
    Decider,
    EffectStatus,
    Form,
    LastCallback,
    Moment,
    Outcome,
    Phase,
    PlannedEffect,
    Suspicion,
    Ticket,
    TicketDecision,
)
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import State

if TYPE_CHECKING:
    import enum
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

NOW = dt.datetime(2024, 5, 17, 8, 0, tzinfo=dt.UTC)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
"""Texts that every store can hold."""
moments = st.datetimes(dt.datetime(2024, 5, 1), dt.datetime(2024, 6, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001 - the bounds of st.datetimes are naive
whenever = st.datetimes(timezones=st.just(dt.UTC), allow_imaginary=False)
ids = st.sampled_from(["1", "2", "3"])
sns = st.sampled_from(["S1", "S2"])
keys = st.sampled_from(["K1", "K2"])
people = st.sampled_from(["alice", "bob"])
owners = st.sampled_from(["w1", "w2"])
numbers = st.integers(1, 3)
digests = st.sampled_from(["d1", "d2"])
effect_ids = st.sampled_from(["C1.start.1.0", "C1.start.2.1", "C1.withdraw.2.2"])
flags = st.booleans()
json_values: SearchStrategy[Any] = st.recursive(
    st.none() | flags | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def optional(strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Return a strategy that also draws None."""
    return st.none() | strategy


def frozen(values: SearchStrategy[Any]) -> SearchStrategy[Mapping[str, Any]]:
    """Return a strategy of read-only mappings from texts to such values."""
    return st.dictionaries(texts, values, max_size=3).map(MappingProxyType)


def enums(kind: type[enum.Enum]) -> SearchStrategy[Any]:
    """Return a strategy of an enum's members."""
    return st.sampled_from(list(kind))


forms = st.builds(
    Form,
    title=texts,
    applicant=people,
    approvers=st.lists(people, max_size=2).map(tuple),
    content=texts,
    fields=frozen(json_values),
)
names_by_state = st.dictionaries(
    enums(State).map(lambda one: one.value), st.just(("start",)) | st.just(("start", "mail")), max_size=2
).map(MappingProxyType)
"""The names of effects, by the state that plans them."""
clock_moments = st.builds(
    Moment,
    wall=moments,
    boot_id=st.sampled_from(["", "b1", "b2"]),
    boot=st.integers(0, 10**12),
    gateway=optional(moments),
)
deciders = st.builds(Decider, user=people, approved=optional(flags), remark=texts, at=optional(moments))
decisions = st.builds(
    TicketDecision, deciders=st.lists(deciders, max_size=2).map(tuple), attested_by=people | st.just(""), evidence=texts
)
attempts = st.builds(
    Attempt,
    key=keys,
    number=numbers,
    phase=enums(Phase),
    creator=people,
    service=texts,
    owner=owners,
    submitted_at=moments,
    marked_at=optional(moments),
    not_before=optional(moments),
    unknown_since=optional(moments),
    looks=st.integers(0, 9),
    looked=optional(clock_moments),
    unwitnessed=flags,
    problem=texts,
    trace=texts,
)
tickets = st.builds(
    Ticket,
    gateway=st.just("bk_itsm"),
    id=ids,
    sn=sns,
    url=texts,
    channel=enums(ev.Channel).map(str),
    recorded_at=moments,
)
attentions = st.builds(Attention, reason=enums(AttentionReason), since=moments, facts=frozen(texts))
suspicions = st.builds(Suspicion, status=enums(ev.TicketStatus).map(lambda one: one.value), since=moments)
hints = st.builds(LastCallback, sn=sns, digest=digests, at=moments, count=numbers)
planned_effects = st.builds(
    PlannedEffect,
    id=effect_ids,
    name=st.sampled_from(["start", WITHDRAW]),
    status=enums(EffectStatus),
    due_at=moments,
    attempts=st.integers(0, 9),
    error=texts,
    actor=people,
    owner=owners,
    claimed_until=optional(moments),
    lost=st.integers(0, 3),
    retried_after=st.integers(0, 9),
)
changes = st.builds(
    ChangeRequest,
    id=st.just("C1"),
    workflow=st.just("collector_change"),
    definition_version=st.just(1),
    subject=texts,
    state=enums(State).map(lambda one: one.value),
    form=forms,
    created_at=moments,
    updated_at=moments,
    attempt=optional(attempts),
    ticket=optional(tickets),
    attention=optional(attentions),
    outcome=optional(enums(Outcome)),
    ended_at=optional(moments),
    suspicion=optional(suspicions),
    heard=optional(hints),
    effects=st.lists(planned_effects, max_size=2).map(tuple),
    submission=st.integers(0, 3),
    round=st.integers(0, 3),
    planned=st.integers(0, 3),
    effect_names=names_by_state,
    decision=optional(decisions),
    contradictions=st.lists(texts, max_size=2).map(tuple),
    earlier_tickets=frozen(texts),
    data=frozen(json_values),
)
"""Changes of any content that the types allow, whether or not the machine could make them."""
