"""Effects that one approval plans twice, as `lint` finds them in the table with its check ``again``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.change import WITHDRAW
from itsm_workflow.machine.approval import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from itsm_workflow.change import Entry
    from itsm_workflow.machine.definition import WorkflowDefinition


def work_planned_by(definition: WorkflowDefinition, entry: Entry) -> dict[str, str]:
    """Return the effects of the host that an entry plans, by id their names, unless its state may plan them again."""
    if any(one.check == "again" and one.state == entry.dest for one in definition.exemptions):
        return {}
    # An id is that of the change, the name, the number of the submission, and a number of its own.
    names = {one: one.removeprefix(f"{entry.change_id}.").rsplit(".", 2)[0] for one in entry.effects}
    return {one: name for one, name in names.items() if name != WITHDRAW}


def planned_again(definition: WorkflowDefinition, history: Iterable[Entry]) -> Iterator[str]:
    """Yield a sentence for each effect that a history plans twice after one submission of the draft."""
    planned = dict[str, str]()
    for entry in history:
        if entry.trigger == Trigger.SUBMIT and entry.source == definition.initial:
            planned.clear()  # another approval begins
        for effect, name in work_planned_by(definition, entry).items():
            if name in planned:
                yield (
                    f"{entry.trigger} planned effect {name} in {entry.dest} as {effect}, and the same approval had "
                    f"planned it as {planned[name]}"
                )
            planned.setdefault(name, effect)
