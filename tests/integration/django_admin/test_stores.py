"""The pages of Django's admin over every kind of store: they read and act through the workflow, not through models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.db import connections

from itsm_workflow import State
from itsm_workflow.integrations.django import get_workflow
from itsm_workflow.integrations.django.models import Change
from tests.integration.django_admin.test_bulk import SETTLE, confirmed, results
from tests.integration.django_admin.test_change_page import page_of, words
from tests.integration.django_admin.test_list import applied, listed
from tests.integration.django_admin.test_operations import REASON, done
from tests.support.desk import SUBJECT
from tests.support.django_host import itsm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.desk import Desk
    from tests.support.django_host.browsers import As


@pytest.fixture(params=["sqlite", "json", "django"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a store; that of Django is in a database with ``ATOMIC_REQUESTS``, which has none of the users."""
    if request.param != "django":
        yield f"{request.param}:///{tmp_path / 'store'}"
        return
    call_command("migrate", "itsm_workflow", database="other", verbosity=0, skip_checks=True)
    yield "django://other"
    call_command("migrate", "itsm_workflow", "zero", database="other", verbosity=0, skip_checks=True)
    connections["other"].close()


def test_a_change_is_found_shown_and_withdrawn(desk: Desk, browser_of: As, url: str) -> None:
    """And the tickets of several changes are looked at; the users and the changes are in different databases."""
    itsm.chosen["storage"] = url
    change = applied()
    desk.clock.advance(1)
    other = applied("other")
    desk.decide(other)
    client = browser_of("change_change")

    assert listed(client) == [SUBJECT, "other"]
    assert listed(client, sn=change.sn or "") == listed(client, subject=SUBJECT) == [SUBJECT]
    assert listed(client, state="pending", age="1h") == []
    assert "Waiting for approval" in words(client.get(page_of(change)).content.decode())
    assert "was carried out" in done(client, change, "withdraw", **REASON)
    assert "request_withdrawal" in [entry.trigger for entry in get_workflow().history(change.id)]
    answer = confirmed(client, SETTLE, client.post(SETTLE, {"chosen": [other.id]}))
    assert results(answer) == {"other": "done"}
    assert get_workflow().get(other.id).state == State.APPROVED
    if url.startswith("django"):
        assert Change.objects.using("other").count() == 2
