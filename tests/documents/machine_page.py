"""The reference page of the machine, written from its table: ``python -m tests.documents.machine_page`` renews it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.labels import ATTENTION, NOT_STARTED, OUTCOMES, TRIGGERS, UNDELIVERED, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from itsm_workflow.machine.definition import Transition, WorkflowDefinition

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "machine.md"

HEAD = """\
# States and triggers

This page is written from the table `{name}`, version {version}; a test compares the two.

## States

"""
MIDDLE = """
An applicant reads these names. For an operator, `failed_callback` is {undelivered}.
While the result of the create is unknown, `applying` is {unknown}.
While the flow of its ticket has not begun and a person should look, `pending` is {not_started}.
The name of `rejected` is followed by the outcome.

## Triggers

"stays" means that facts are added and the state is kept.
Where a trigger has several rows for a state, their guards cannot both hold.

"""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *map(list, rows)]
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |") for cells in lines)


def role(definition: WorkflowDefinition, state: str) -> str:
    """Return the part that a state plays."""
    parts = ("asking", "waiting", "undelivered", "granted", "refused")
    named = [part for part in parts if getattr(definition.roles, part) == state]
    return ", ".join(named) or ("initial" if state == definition.initial else "")


def sources(definition: WorkflowDefinition, row: Transition) -> str:
    """Return the states that a row leads from."""
    if len(row.sources) == len(definition.states):
        return "any"
    missing = [state for state in definition.states if state not in row.sources]
    if len(missing) == 1:
        return f"any but `{missing[0]}`"
    return ", ".join(f"`{state}`" for state in row.sources)


def names(labels: Mapping[str, Mapping[str, str]]) -> Iterable[tuple[str, str, str]]:
    """Yield a row for each value with its display names."""
    return ((f"`{value}`", label["en"], label["zh"]) for value, label in labels.items())


def page(definition: WorkflowDefinition) -> str:
    """Return the whole page."""
    states = (
        (
            f"`{state}`",
            role(definition, state),
            "yes" if state in definition.final else "",
            definition.labels[state]["en"],
            definition.labels[state]["zh"],
        )
        for state in definition.states
    )
    rows = (
        (
            f"`{row.trigger}`",
            sources(definition, row),
            f"`{row.dest}`" if row.dest else "stays",
            ", ".join(f"`{kind.__name__}`" for kind in row.evidence_types),
            row.guard.__name__.replace("_", " "),
            row.note,
        )
        for row in definition.transitions
    )
    return (
        HEAD.format(name=definition.name, version=definition.version)
        + table(("state", "role", "final", "en", "zh"), states)
        + MIDDLE.format(
            undelivered=" or ".join(UNDELIVERED.values()),
            unknown=" or ".join(UNKNOWN.values()),
            not_started=" or ".join(NOT_STARTED.values()),
        )
        + table(("trigger", "from", "to", "evidence", "guard", "meaning"), rows)
        + "\n## Names for people\n"
        + "".join(
            f"\n{table((kind, 'en', 'zh'), names(labels))}"
            for kind, labels in (("outcome", OUTCOMES), ("reason of attention", ATTENTION), ("trigger", TRIGGERS))
        )
    )


if __name__ == "__main__":
    PAGE.write_text(page(COLLECTOR_CHANGE), encoding="utf-8")
