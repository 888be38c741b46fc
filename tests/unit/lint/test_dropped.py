"""An update that replaces the data, and with it what another trigger wrote, is a doubt; a deliberate removal is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.lint import lint
from tests.support import meanings as zoo
from tests.support.meanings import Job, Stage, Verb

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Facts
    from itsm_workflow.machine.definition import Update


def with_remark(facts: Facts) -> ChangeRequest:
    """Add a remark."""
    host = facts.expect(Job).host
    return attrs.evolve(facts.change, data={**facts.change.data, "remark": host, "written_for": host})


def replaced(facts: Facts) -> ChangeRequest:
    """Keep a count and nothing else."""
    return attrs.evolve(facts.change, data={"count": 1})


def kept(facts: Facts) -> ChangeRequest:
    """Add a count."""
    return attrs.evolve(facts.change, data={**facts.change.data, "count": 1})


def removed(facts: Facts) -> ChangeRequest:
    """Remove the remark by its name."""
    data = {key: value for key, value in facts.change.data.items() if key not in {"remark", "written_for"}}
    return attrs.evolve(facts.change, data={**data, "count": 1})


def emptied(facts: Facts) -> ChangeRequest:
    """Start over."""
    return attrs.evolve(facts.change, data={})


def needs_the_remark(facts: Facts) -> ChangeRequest:
    """Keep the remark by another name."""
    return attrs.evolve(facts.change, data={"old": facts.change.data.get("remark", ""), "count": 1})


def dropped(update: Update) -> list[tuple[str, str, str]]:
    """Return the doubts about the data of a workflow with an update."""
    rows = [
        zoo.row(Verb.NOTE, Stage.GRANTED, None, update=with_remark),
        zoo.row(Verb.COUNT, Stage.GRANTED, None, update=update),
    ]
    found = lint(zoo.order(*rows)).findings
    return [(one.state, one.trigger, one.message) for one in found if one.check == "dropped"]


def test_an_update_that_replaces_the_data_is_named() -> None:
    """With the key, and the trigger that wrote it."""
    message = (
        "update replaced drops remark from the data, which note wrote: keep it, as in data={**facts.change.data, …}, "
        "or else remove it by its name"
    )
    assert dropped(replaced) == [("granted", "count", message)]


@pytest.mark.parametrize("update", [kept, removed, emptied, needs_the_remark, with_remark])
def test_an_update_that_knows_the_former_data_is_right(update: Update) -> None:
    """Also one that removes what another wrote."""
    assert dropped(update) == []
