"""The check of updates that replace the data of a change, and with it what another row wrote."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.lint.findings import doubt
from itsm_workflow.lint.wording import name_of
from itsm_workflow.machine.approval import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.machine.definition import Facts, Transition

_PROBE: Mapping[str, object] = {"a key that no row writes": "a text"}


class DroppedData:
    """Notes which row writes which keys of the data, and which updates drop keys without a look at the former data."""

    def __init__(self) -> None:
        self._writers: dict[str, set[str]] = defaultdict(set)
        self._dropped: dict[tuple[str, str, str], str] = {}  # by state, trigger and key, the name of the update
        self._aware: set[tuple[str, str]] = set()  # the states and triggers whose update looks at the former data

    def note(self, row: Transition, facts: Facts, after: ChangeRequest) -> None:
        """Note what a row did to the data of a change."""
        if isinstance(row.trigger, Trigger):
            return
        before = facts.change.data
        for key in after.data.keys() - before.keys():
            self._writers[key].add(row.trigger.value)
        state, trigger = facts.change.state, row.trigger.value
        lost = before.keys() - after.data.keys()
        if not lost or (state, trigger) in self._aware:
            return
        if _replaces(row, facts, after):
            self._dropped |= {(state, trigger, key): name_of(row.update) for key in lost}
        else:
            self._aware.add((state, trigger))

    def findings(self) -> Iterator[LintFinding]:
        """Yield a doubt for each update that drops a key which another trigger writes, and it does not.

        Several keys of one trigger in one state have one cause, so the first one is named.
        """
        named: set[tuple[str, str]] = set()
        for (state, trigger, key), name in sorted(self._dropped.items()):
            writers = sorted(self._writers[key] - {trigger})
            if writers and trigger not in self._writers[key] and (state, trigger) not in self._aware | named:
                named.add((state, trigger))
                message = (
                    f"update {name} drops {key} from the data, which {writers[0]} wrote: keep it, as in "
                    "data={**facts.change.data, …}, or else remove it by its name"
                )
                yield doubt("dropped", message, state=state, trigger=trigger)


def _replaces(row: Transition, facts: Facts, after: ChangeRequest) -> bool:
    """Return whether an update sets some data, and the same whatever the data was before."""
    if not after.data:
        return False  # it starts over
    try:
        results = [
            row.update(attrs.evolve(facts, change=attrs.evolve(facts.change, data=data))).data for data in ({}, _PROBE)
        ]
    except failures_in_a_test():  # it needs its former data
        return False
    return all(one == after.data for one in results)
