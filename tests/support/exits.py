"""Workflows of a host whose functions end the program that calls them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.support.workflows import DUE, Deployed, Stage, deploy, deployment

if TYPE_CHECKING:
    import datetime as dt

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import Facts, WorkflowDefinition
    from itsm_workflow.policy import Policy


def with_a_guard_that_exits() -> WorkflowDefinition:
    """A guard calls sys.exit."""

    def is_large(_facts: Facts) -> str | None:
        sys.exit()

    return deployment(deploy(guard=is_large))


def with_an_update_that_exits() -> WorkflowDefinition:
    """An update calls sys.exit."""

    def noted(_facts: Facts) -> ChangeRequest:
        sys.exit("it failed")

    return deployment(deploy(update=noted))


def with_a_due_rule_that_exits() -> WorkflowDefinition:
    """A due rule calls sys.exit."""

    def never(_change: ChangeRequest, _now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        sys.exit(0 if looked else 3)

    return deployment(due_rules={**DUE, Stage.GRANTED: never})


def definition() -> WorkflowDefinition:
    """Exit instead of returning a definition."""
    sys.exit(0)


def samples() -> list[Deployed]:
    """Exit instead of returning evidence."""
    sys.exit()
