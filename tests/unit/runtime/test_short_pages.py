"""A backend that filters after it has read a page: a page may be short or empty, and only `next` tells the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE
from itsm_workflow.errors import ChangeNotFound, NotApproved
from itsm_workflow.storage.protocol import Cursor, Order, Query, Rows
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.places import WatchedStore

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow


_BEFORE_ALL = {Order.ID: None, Order.SUBMISSION: 2**63 - 1}


class Sparse(WatchedStore):
    """A store whose first page is empty while it is asked for more than ids in some order."""

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows; the first one holds nothing and says where to go on."""
        if query.after is None and query.open_subject is None and query.order in _BEFORE_ALL:
            return Rows(rows=(), next=Cursor(value=_BEFORE_ALL[query.order], id=""))
        return super().find(query)


def sparse() -> tuple[Desk, Workflow]:
    """Return a workflow on such a store."""
    desk = Desk()
    desk.store = Sparse(desk.store.inner)
    return desk, desk.workflow()


def ended(desk: Desk, workflow: Workflow, *, approved: bool) -> ChangeRequest:
    """File a change of the subject, and let it end."""
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change, approved=approved)
    desk.clock.advance(60)
    return workflow.settle(change.id)


def test_an_older_approval_opens_no_gate() -> None:
    """The highest submission is looked for past pages that hold nothing."""
    desk, workflow = sparse()
    changes = [ended(desk, workflow, approved=approved) for approved in (True, True, False)]

    assert [change.submission for change in changes] == [1, 2, 3]
    with pytest.raises(NotApproved, match=changes[-1].id):
        workflow.require_approved(SUBJECT)


def test_the_change_itself_is_left_out_wherever_it_stands() -> None:
    """A draft that is submitted again is compared with the others, though it is alone in its page."""
    desk, workflow = sparse()
    ended(desk, workflow, approved=True)
    newest = ended(desk, workflow, approved=True)

    assert workflow._journal.highest_submission(SUBJECT, besides=newest.id) == 1
    assert workflow._journal.highest_submission(SUBJECT) == 2
    assert workflow._journal.highest_submission("another") == 0


def test_a_change_of_another_workflow_is_told_of() -> None:
    """The advice names it."""
    desk, workflow = sparse()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    other = desk.workflow(definition=attrs.evolve(COLLECTOR_CHANGE, name="another"))

    with pytest.raises(ChangeNotFound, match="a change of workflow collector"):
        other.resolve(change.id)


def test_what_is_due_and_what_is_listed_is_found() -> None:
    """A pass, a list and a look by name read on."""
    desk, workflow = sparse()
    change = workflow.apply(subject=SUBJECT, **ASKED)

    assert [one.id for one in workflow.find(subject=SUBJECT)] == [change.id]
    assert workflow.resolve(SUBJECT).id == change.id
    desk.clock.advance(600)
    assert workflow.reconcile().due == 1
