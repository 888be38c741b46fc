"""A console over a desk: a workflow, a ticket system and a clock in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import Effect, Policy, State
from itsm_workflow.web import console
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

    from itsm_workflow import Workflow
    from itsm_workflow.form import FormArguments


@pytest.fixture
def desk() -> Desk:
    """A desk without changes."""
    return Desk()


@pytest.fixture
def workflow(desk: Desk) -> Workflow:
    """A workflow with one change in each kind of state: 1 approved with a parked effect, 2 refused, 3 a draft."""

    def unreachable(_: object) -> None:
        raise RuntimeError("the collector's host is unreachable")

    made = desk.workflow(
        effects={State.APPROVED: [Effect("start_collection", unreachable)]}, policy=Policy(effect_attempts=1)
    )
    fields: FormArguments = {**ASKED, "fields": {"expect_host_size": 10, "api_token": "of the host"}}
    for number in range(3):
        change = made.apply(subject=f"collector-{number}", **fields)
        if number:
            desk.decide(change, approved=number == 1)
            made.settle(change.id)
        desk.clock.advance(3600)
    made.draft(subject="collector-3", **ASKED)
    return made


@pytest.fixture
def app(workflow: Workflow, desk: Desk) -> Flask:
    """The console, which reads the time of the desk."""
    return console(workflow, clock=desk.clock)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without pictures and scripts."""
    return app.test_client()
