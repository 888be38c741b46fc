"""The pictures of a change that `Records` draws with other timings than those of its writer."""

from __future__ import annotations

import pytest

from itsm_workflow import Policy
from tests.support.desk import ASKED, SUBJECT, Desk


@pytest.mark.parametrize("kind", ["timeline", "sequence", "graph"])
def test_the_stored_attention_is_drawn_whatever_the_timings(kind: str) -> None:
    """A reader without the application does not have its policy, and the store knows the attention."""
    desk = Desk()
    desk.faults.unreachable("create", always=True)
    writer = desk.workflow(policy=Policy(unsent_attempts=2))
    change = writer.apply(subject=SUBJECT, **ASKED)
    desk.clock.advance(3600)
    change = writer.settle(change.id)
    assert change.attention is not None
    shown = [getattr(one, kind)(change.id) for one in (writer, desk.workflow())]
    assert all(word in one.svg() for word in ("Request", "cannot", "sent") for one in shown)
    assert shown[0].svg() == shown[1].svg()
