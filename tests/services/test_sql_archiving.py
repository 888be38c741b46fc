"""Archiving from a database server and into one: open changes stay, a run that was killed is continued."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from itsm_workflow import open_storage
from itsm_workflow.cli.app import run
from itsm_workflow.storage.contents import examine
from itsm_workflow.storage.copying import copy_store
from itsm_workflow.storage.protocol import Query
from tests.services.servers import MARIADB, POSTGRESQL, new_store
from tests.support.desk import ASKED, Desk
from tests.support.killed_copy import kill_copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow.storage.contents import Contents

ENDED = {"ended 1", "ended 2", "ended 3", "ended 4", "twice"}


@pytest.fixture(params=[(POSTGRESQL, MARIADB), (MARIADB, POSTGRESQL)], ids=["to mysql", "to postgresql"])
def urls(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The URLs of two stores whose tables exist, each on a server of its own; opening them does not migrate them."""
    with ExitStack() as opened:
        found = []
        for server in request.param:
            url = opened.enter_context(new_store(server, f"test_{secrets.token_hex(4)}"))
            open_storage(url).close()
            found.append(make_url(url).difference_update_query(["migrate"]).render_as_string(hide_password=False))
        yield found[0], found[1]


def fill(url: str) -> None:
    """Store changes that ended long before this test, and older ones that have not ended."""
    desk = Desk()
    workflow = desk.workflow()
    workflow.draft(subject="draft", **ASKED)
    changes = [workflow.apply(subject=subject, **ASKED) for subject in (*sorted(ENDED), "open")]
    for change in changes[:-1]:
        desk.decide(change, approved=True)
        workflow.settle(change.id)
    workflow.apply(subject="twice", **ASKED)
    with closing(open_storage(url)) as store:
        assert copy_store(desk.store, store, lambda *_: None).verified


def contents(url: str) -> Contents:
    """Return what a store holds."""
    with closing(open_storage(url)) as store:
        return examine(store)


def ended_in(url: str) -> set[str]:
    """Return the subjects of a store, all of whose changes have ended."""
    with closing(open_storage(url)) as store:
        rows = store.find(Query()).rows
    assert {row.state for row in rows} <= {"approved"}
    return {row.subject for row in rows}


def test_only_ended_changes_are_archived_and_a_killed_run_is_continued(urls: tuple[str, str], tmp_path: Path) -> None:
    """A dry run writes nothing; whatever happens, the store stays as it is, letter for letter."""
    source, target = urls
    fill(source)
    before = contents(source)
    command = ("storage", "archive", source, target, "--older-than", "90d")
    assert run([*command, "--dry-run"]) == 0
    assert contents(target).changes == 0
    for number, when in ((1, "before"), (1, "after"), (2, "before"), (2, "after")):
        kill_copy(tmp_path, number, when, *command[1:])
        assert ended_in(target) <= ENDED
    assert run(command) == 0
    assert ended_in(target) == ENDED
    assert run(command) == 0
    assert contents(source) == before
    assert contents(target).damaged == ()
