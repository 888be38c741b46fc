"""Whether callbacks arrive, by the tickets that ended lately."""

from __future__ import annotations

import datetime as dt

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.change import ChangeRequest, LastCallback, Outcome
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.policy import Policy
from itsm_workflow.settle import callbacks_arrive
from itsm_workflow.testing import strategies as s
from tests.support import examples as x

HOUR = 3600
RARE = Policy(rare_poll=dt.timedelta(seconds=HOUR))
POLL = RARE.poll.total_seconds()
ENDS = st.integers(-int(POLL), 2 * HOUR)


def ended(change: ChangeRequest, ago: float, *, heard: bool) -> ChangeRequest:
    """Return an ended change whose end was found so many seconds before `now`."""
    hint = LastCallback(sn="REQ7", digest="d", at=x.later(-ago)) if heard else None
    return attrs.evolve(change, ended_at=x.later(-ago), heard=hint)


def arrive(*changes: ChangeRequest) -> bool:
    """Return what these changes show at the time of the examples."""
    return callbacks_arrive(COLLECTOR_CHANGE, changes, x.NOW, RARE)


CALLED = ended(x.APPROVED, 1000, heard=True)
SILENT = ended(x.APPROVED, POLL, heard=False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((), False),
        ((CALLED,), True),
        ((ended(x.REJECTED, 1000, heard=True),), True),
        ((ended(x.WITHDRAWN, 1000, heard=True),), True),
        ((SILENT,), False),
        ((CALLED, SILENT), False),
        ((SILENT, CALLED), False),
        ((ended(x.APPROVED, POLL - 1e-6, heard=False),), False),
        ((CALLED, ended(x.APPROVED, POLL - 1e-6, heard=False)), True),
        ((ended(x.APPROVED, HOUR, heard=True),), True),
        ((ended(x.APPROVED, HOUR + 1e-6, heard=True),), False),
        ((CALLED, ended(x.APPROVED, HOUR, heard=False)), False),
        ((CALLED, ended(x.APPROVED, HOUR + 1e-6, heard=False)), True),
        ((CALLED, x.FAILED_CALLBACK), False),
        ((x.FAILED_CALLBACK, CALLED), False),
        ((CALLED, attrs.evolve(SILENT, outcome=Outcome.ABANDONED)), True),
        ((CALLED, attrs.evolve(SILENT, ticket=None)), True),
        ((attrs.evolve(x.PENDING, heard=CALLED.heard),), False),
        ((CALLED, x.PENDING), True),
    ],
    ids=[
        "nothing ended",
        "a callback came",
        "about a refusal",
        "about a withdrawal",
        "no callback came",
        "a callback and then none",
        "none and then a callback",
        "a callback may still come",
        "beside another that came",
        "at the beginning of the time",
        "before it",
        "none at the beginning of the time",
        "none before it",
        "then one is listed as undelivered",
        "one is listed as undelivered",
        "nothing is called back about a change that was given up",
        "nor about one without a ticket",
        "a hint about an open ticket shows nothing",
        "nor does an open ticket",
    ],
)
def test_callbacks_arrive(changes: tuple[ChangeRequest, ...], *, expected: bool) -> None:
    """Case by case: one silent end outweighs any number of callbacks, and no end shows nothing."""
    assert arrive(*changes) is expected


@given(ends=st.lists(st.tuples(ENDS, st.booleans()), max_size=6), data=st.data())
def test_one_silent_end_means_that_callbacks_do_not_arrive(ends: list[tuple[int, bool]], data: st.DataObject) -> None:
    """In any order, and only if it is long enough ago, and not too long."""
    changes = [ended(x.APPROVED, ago, heard=heard) for ago, heard in ends]
    shuffled = data.draw(st.permutations(changes))

    is_silent = any(not heard and POLL <= ago <= HOUR for ago, heard in ends)
    is_heard = any(heard and ago <= HOUR for ago, heard in ends)
    assert arrive(*shuffled) is (is_heard and not is_silent)


@given(changes=st.lists(s.changes, max_size=4), now=s.moments)
def test_any_changes_are_judged(changes: list[ChangeRequest], now: dt.datetime) -> None:
    """Never an error, and without an end that was called back never a rare look."""
    found = callbacks_arrive(COLLECTOR_CHANGE, changes, now, RARE)

    assert not found or any(one.heard is not None and one.ended_at is not None for one in changes)
