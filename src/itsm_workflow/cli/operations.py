"""The commands that carry out the operations of `Workflow`, so that what is shown to an operator can be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.runtime.operations import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WITHOUT_COMMAND = {"receive", "revise"}

COMMANDS: Mapping[str, str] = {
    method: "apply" if method == "submit" else method.replace("_", "-")  # `apply` revises a draft and submits it
    for method in METHODS.values()
    if method not in _WITHOUT_COMMAND
} | {"fire(raise_attention)": "raise-attention"}
"""By operation that `Workflow.allowed` lists, the command that carries it out."""


def commands_of(operations: Iterable[str]) -> list[str]:
    """Return the commands for the operations, in their order, without those that only an application can carry out."""
    return [COMMANDS[operation] for operation in operations if operation in COMMANDS]
