"""A process that is killed while it adopts tickets loses none, and leaves nothing that could be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import State
from tests.integration.workflow.test_processes import Site
from tests.support.long import long_after
from tests.support.old_handler import file_ticket
from tests.support.stores import SHARED_STORE

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBJECTS = ("collector-0", "collector-1")


@pytest.fixture
def site(store_url: str) -> Iterator[Site]:
    """Open a site."""
    with Site(store_url) as opened:
        yield opened


@pytest.mark.long
@SHARED_STORE
@pytest.mark.parametrize(
    ("place", "stored"),
    long_after(1, [("after 1", 1), ("before 1", 0), ("before 2", 1), ("after 2", 2)]),
)
def test_a_process_killed_at_any_commit_loses_nothing_and_sends_nothing(site: Site, place: str, stored: int) -> None:
    """The rows that were stored wait for their tickets; a pass sends nothing; the second run adopts the rest."""
    workflow = site.workflow()
    numbers = [file_ticket(site.sandbox.settings(), title=f"接入 {at}").sn for at in range(len(SUBJECTS))]
    dying = site.start(f"adopt {place}", *numbers)
    dying.go_on()
    assert dying.hear() == {"waits": "{} commit {}".format(*place.split())}
    dying.kill()

    left = list(workflow.find())
    assert [(one.subject, one.state, one.sn) for one in left] == [
        (subject, State.PENDING, sn) for subject, sn in zip(SUBJECTS[:stored], numbers, strict=False)
    ]
    site.reconcile_elsewhere(ahead=3600.0)
    created = [each.sn for each in site.sandbox.tickets()]
    assert sorted(created) == sorted(numbers)

    again = [
        workflow.adopt(subject=subject, sn=sn, actor="olive", reason="moved")
        for subject, sn in zip(SUBJECTS, numbers, strict=True)
    ]
    assert [one.is_new for one in again] == [False] * stored + [True] * (len(SUBJECTS) - stored)
    assert [one.change.sn for one in again] == numbers
    site.reconcile_elsewhere(ahead=7200.0)
    assert sorted(each.sn for each in site.sandbox.tickets()) == sorted(numbers)
    assert len(list(workflow.find())) == len(SUBJECTS)
