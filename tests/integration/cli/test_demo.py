"""The command ``demo``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from itsm_workflow import demo
from itsm_workflow.demo.scenarios import SCENARIOS

if TYPE_CHECKING:
    import pytest

    from tests.integration.cli.office import Office


def test_the_demonstration_is_run_and_its_figures_are_json(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines go to standard error then, and its folder and exit code are as asked."""
    monkeypatch.setattr(demo, "run", functools.partial(demo.run, scenarios=SCENARIOS[:1]))
    done = office.run("demo", "--folder", "kept", "--json")
    assert done.code == 0, done.err
    assert (done.json["requests"], done.json["duplicate_tickets"]) == (1, 0)
    assert done.err
    again = office.run("demo", "--folder", "kept")
    assert again.code == 2
    assert "starts with an empty store" in again.err
