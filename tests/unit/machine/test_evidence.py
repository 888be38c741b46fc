"""Evidence: the words that are stored, and the parts that may be left out."""

from __future__ import annotations

from itsm_workflow.machine import evidence as ev
from tests.support import examples as x


def test_the_words_are_those_that_are_stored() -> None:
    """A word that is renamed makes every stored history unreadable."""
    assert [[word.value for word in kind] for kind in (ev.TicketStatus, ev.Channel)] == [
        ["running", "suspended", "finished", "terminated", "revoked", "other"],
        ["answer", "lookup", "callback", "operator"],
    ]


def test_the_optional_parts_are_empty_by_default() -> None:
    """Evidence says nothing that was not reported."""
    assert ev.Decision() == ev.Decision(reason="")
    assert x.mark() == x.mark(problem="")
    assert ev.LookupNoted(number=1, answered=True) == ev.LookupNoted(number=1, answered=True, problem="")
    assert x.confirmed() == x.confirmed(problem="")
    assert ev.EffectRetry(effect="E1") == ev.EffectRetry(effect="E1", reason="")
    assert ev.EffectResult(effect="E1", attempt=1) == ev.EffectResult(effect="E1", attempt=1, error="", final=False)
    assert x.snapshot() == x.snapshot(ambiguous=False, closed_by="")
