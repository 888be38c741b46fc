"""The arguments of the project's workflow: those that the current test has chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.desk import Desk

chosen: dict[str, Any] = {}
"""The arguments of the current test."""


def arguments() -> dict[str, Any]:
    """Return the arguments of the current test."""
    return dict(chosen)


def of_desk(desk: Desk) -> dict[str, Any]:
    """Return the arguments of a workflow at a desk."""
    return {
        "gateway": desk.gateway,
        "storage": desk.store,
        "clock": desk.clock,
        "observers": (desk.witness,),
        "after_callback": "later",
    }


def permit(request: object, action: str, collector: str) -> bool:
    """Permit to look at collector 7 only."""
    return (action, collector) == ("view", "7")
