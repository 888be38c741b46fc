"""A host's concern, which waits while the library has a reason for attention.

A change has one attention. The library's reasons come first: some of them are raised only once, and some let a person
decide in place of the gateway. While one of them is raised, its facts contain those of the host's last concern, with
the word ``host`` before each key. When that reason is resolved, the host's concern is raised. A person who clears the
attention clears both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import Attention, AttentionReason
from itsm_workflow.readonly import ReadOnlyDict

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from itsm_workflow.change import ChangeRequest

_WORD = AttentionReason.HOST.value
_PREFIX = f"{_WORD} "
_WITHOUT_FACTS = {_WORD: "raised attention"}


def with_host_concern(before: ChangeRequest, after: ChangeRequest, now: dt.datetime, *, ends: bool) -> ChangeRequest:
    """Return the change after a trigger, with the library's attention first and the host's concern in its facts.

    Args:
        before: The change before the trigger.
        after: The change as the update of the trigger returned it.
        now: The time at which the trigger fires.
        ends: Whether the trigger ends the host's concern: it leads to another state, or clears all attention.
    """
    old, new = before.attention, after.attention
    if old is None or new is old or (_is_of_host(old) and (new is None or _is_of_host(new))):
        return after
    shown: Attention | None = old
    concern: Mapping[str, str] | None
    if new is not None and _is_of_host(new):
        concern = new.facts
    else:
        shown, concern = new, None if ends else concern_in(old)
    if concern is None:
        return after
    if shown is None:
        raised = Attention(reason=AttentionReason.HOST, since=now, facts=ReadOnlyDict(concern))
        return attrs.evolve(after, attention=raised)
    waiting = {f"{_PREFIX}{key}": value for key, value in concern.items()} or _WITHOUT_FACTS
    facts = {**_without_concern(shown.facts), **waiting}
    is_news = (shown.reason, facts) != (old.reason, dict(old.facts))
    return attrs.evolve(after, attention=attrs.evolve(shown, facts=ReadOnlyDict(facts)) if is_news else old)


def is_raised_by_library(change: ChangeRequest) -> bool:
    """Return whether attention is raised for a reason of the library; a host's concern does not hold back another."""
    return change.attention is not None and not _is_of_host(change.attention)


def _is_of_host(attention: Attention) -> bool:
    return attention.reason is AttentionReason.HOST


def concern_in(attention: Attention) -> Mapping[str, str] | None:
    """Return the facts of the host's concern that the attention is, or contains; None if it contains none."""
    if _is_of_host(attention):
        return attention.facts
    found = {key.removeprefix(_PREFIX): value for key, value in attention.facts.items() if key.startswith(_PREFIX)}
    return found or ({} if _WORD in attention.facts else None)


def _without_concern(facts: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in facts.items() if key != _WORD and not key.startswith(_PREFIX)}
