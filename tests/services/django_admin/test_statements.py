"""The list and the page of a change in Django's admin, over the store in a database of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections
from django.test.utils import CaptureQueriesContext

from itsm_workflow import State, open_storage
from itsm_workflow.change import AttentionReason
from itsm_workflow.integrations.django import close_workflow
from itsm_workflow.machine.evidence import Concern
from itsm_workflow.storage.copying import copy_store
from tests.integration.django_admin.test_change_page import page_of, words
from tests.integration.django_admin.test_list import LIST, listed
from tests.support.desk import ASKED, Desk
from tests.support.django_host import itsm, stores

if TYPE_CHECKING:
    from django.test import Client

    from itsm_workflow import ChangeRequest
    from tests.support.django_host.browsers import As

FEW, MANY = 60, 300
"""The numbers of changes; a page of the list has fewer than either."""

OF_A_LIST, OF_A_PAGE = 1, 6
"""The most statements that the list, and the page of a change, send to the database of the store."""


def fill(desk: Desk, numbers: range) -> ChangeRequest:
    """File changes in memory, copy them to the server, and return the one before the last.

    Of each ten, one is approved, one has the attention of the host, and eight wait.
    """
    workflow, changes = desk.workflow(), []
    for number in numbers:
        change = workflow.apply(subject=f"collector-{number}", **ASKED)
        desk.clock.advance(1)
        if number % 10 == 1:
            desk.decide(change)
            assert workflow.settle(change.id).state == State.APPROVED
        elif number % 10 == 8:
            change = workflow.fire(change.id, "raise_attention", Concern(reason=AttentionReason.HOST), actor="olga")
        changes.append(change)
    target = open_storage(itsm.chosen["storage"])
    assert copy_store(desk.store, target, lambda *_: None).verified
    target.close()
    desk.clock.advance(7200)
    return changes[-2]


def filters_of(change: ChangeRequest) -> dict[str, dict[str, str]]:
    """Return each filter of the list alone, all of them together, and later pages."""
    each = {
        "sn": change.sn or "",
        "subject": change.subject,
        "state": "pending",
        "attention": "any",
        "age": "1h",
        "drafted": "1d",
    }
    return {
        "nothing": {},
        **{name: {name: value} for name, value in each.items()},
        "everything": each,
        "a later page": {"after": change.id},
        "a later page, oldest first": {"age": "1h", "after": f"1@{change.id}"},
    }


def statements(client: Client, path: str, filters: dict[str, str]) -> list[str]:
    """Return the statements that a page sends to the database of the store."""
    with CaptureQueriesContext(connections[stores.ALIAS]) as captured:
        assert client.get(path, filters).status_code == 200
    return [query["sql"] for query in captured]


def test_a_page_sends_as_many_statements_for_few_changes_as_for_many(desk: Desk, browser_of: As) -> None:
    """The list with each filter, and the page of a change."""
    client, seen = browser_of("change_change"), []
    for numbers in (range(FEW), range(FEW, MANY)):
        change = fill(desk, numbers)
        client.get(LIST)  # opens the workflow, and with it the store
        lists = {name: len(statements(client, LIST, given)) for name, given in filters_of(change).items()}
        assert set(lists.values()) == {OF_A_LIST}, lists
        seen.append(len(statements(client, page_of(change), {})))
    assert seen[0] == seen[1] <= OF_A_PAGE


def test_a_page_shows_what_it_shows_over_a_store_in_memory(desk: Desk, browser_of: As) -> None:
    """The same changes in the same order with each filter, and the same texts of a change."""
    change, client, seen = fill(desk, range(FEW)), browser_of("change_change"), []
    for storage in (itsm.chosen["storage"], desk.store):
        close_workflow()
        itsm.chosen["storage"] = storage
        lists = {name: listed(client, **given) for name, given in filters_of(change).items()}
        seen.append((lists, words(client.get(page_of(change)).content.decode())))
    assert seen[0] == seen[1]
    assert {name: len(subjects) for name, subjects in seen[0][0].items()} == {
        "nothing": 50,
        "sn": 1,
        "subject": 1,
        "state": 50,
        "attention": 6,
        "age": 50,
        "drafted": 50,
        "everything": 1,
        "a later page": 1,
        "a later page, oldest first": 50,
    }
