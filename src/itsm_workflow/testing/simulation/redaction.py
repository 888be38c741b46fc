"""A change's history without any data about people, places or secrets.

Data that the machine depends on stays: states, triggers, kinds, statuses, flags, numbers, and the distances in time.
Each text is replaced by an invented one, always by the same one, so equal texts stay equal.
"""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import WITHDRAW
from itsm_workflow.machine.evidence import Submission, SubmissionNumber
from itsm_workflow.strict import strict_converter
from itsm_workflow.testing.simulation.case import CASE_BEGAN, CASE_ID, CaseStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import Entry

_OWN_ACTORS = frozenset({"", "gateway", "worker", "callback", "reconciler"})
_WORDS = frozenset({"", "true", "false", "RUNNING", "SUSPENDED", "FINISHED", "TERMINATED", "REVOKED"})
"""Values of BK-ITSM that guards compare with, and that contain no private data."""

_SHAPES = {
    "key": lambda number: f"K{number:025d}",
    "sn": lambda number: f"REQ20260101{number:06d}",
    "id": lambda number: f"{number}",
    "url": lambda number: f"https://itsm.example.com/{number}",
    "digest": lambda number: hashlib.sha256(str(number).encode()).hexdigest(),
    "gateway": lambda number: f"gateway_{number}",
}
_NAMES = {
    "ticket_id": "id",
    "creator": "name",
    "applicant": "name",
    "approvers": "name",
    "closed_by": "name",
    "actor": "name",
    "owner": "worker",
    "effect_name": "effect",
    **{name: name for name in (*_SHAPES, "title", "service", "reason")},
}


def redacted(history: Sequence[Entry]) -> list[CaseStep]:
    """Return a history, oldest entry first, as the steps of a case.

    Raises:
        ValueError: The definition does not know the type of an entry's evidence.
    """
    first = history[0]
    others = _Others(change_id=first.change_id, shift=CASE_BEGAN - first.at)
    return [_step(entry, first.at, others) for entry in history]


def _step(entry: Entry, began: dt.datetime, others: _Others) -> CaseStep:
    kind: type = type(entry.evidence)
    if not attrs.has(kind):
        raise ValueError(
            f"entry {entry.seq} ({entry.trigger}) has evidence of a type that this workflow's definition does not "
            "know: pass the application that defines it"
        )
    planned = others.planned(entry)
    return CaseStep(
        at=(entry.at - began).total_seconds(),
        trigger=entry.trigger,
        actor=entry.actor if entry.actor in _OWN_ACTORS else others.text(entry.actor, "actor"),
        kind=kind.__name__,
        evidence=strict_converter().unstructure(others.value(entry.evidence, "")),
        leads_to=entry.dest,
        effects=tuple(name for name in planned if name != WITHDRAW),
    )


class _Others:
    """Replaces values that contain private data.

    Args:
        change_id: The change's id, with which the ids of its effects begin.
        shift: The amount by which times are moved.
    """

    def __init__(self, *, change_id: str, shift: dt.timedelta) -> None:
        self._change_id = change_id
        self._shift = shift
        self._known: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._effects: dict[str, str] = {}
        self._submission = 0

    def text(self, text: str, field: str) -> str:
        """Return the replacement of a text."""
        kind = _NAMES.get(field, "text")
        known = self._known.get((kind, text))
        if known is None:
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            known = self._known[kind, text] = _SHAPES.get(kind, lambda n: f"{kind}-{n}")(number)
        return known

    def planned(self, entry: Entry) -> list[str]:
        """Return the names of the effects that an entry planned, and remember their ids in a replay."""
        if isinstance(entry.evidence, Submission | SubmissionNumber):
            self._submission = entry.evidence.number
        names = []
        for effect in entry.effects:
            local, number = effect.removeprefix(f"{self._change_id}."), f".{self._submission}.{len(self._effects)}"
            # Entries of schema 1 identify an effect by the number of the entry that planned it, and its name.
            name = local.removesuffix(number) if local.endswith(number) else local.partition(".")[2]
            name = name if name == WITHDRAW else self.text(name, "effect_name")
            self._effects[effect] = f"{CASE_ID}.{name}{number}"
            names.append(name)
        return names

    def value(self, value: Any, field: str) -> Any:  # noqa: ANN401 - any part of evidence
        """Return the replacement of a value."""
        if value is None or isinstance(value, enum.Enum | bool | int | float):
            return value
        if isinstance(value, str):
            return self._string(value, field)
        if isinstance(value, dt.datetime):
            return value + self._shift
        if isinstance(value, Mapping):
            return {self.text(str(key), "field"): self._free(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(item, field) for item in value)
        fields = attrs.fields(type(value))
        return attrs.evolve(value, **{one.name: self.value(getattr(value, one.name), one.name) for one in fields})

    def _string(self, text: str, field: str) -> str:
        if text in _WORDS:
            return text
        if field == "effect":
            return self._effects.get(text) or self.text(text, field)
        if field == "closed_by":
            return ",".join(self.text(name, field) for name in text.split(","))
        return "OTHER" if field == "word" else self.text(text, field)

    def _free(self, value: object) -> object:
        """Return the replacement of a value of a form's field, where numbers can be private as well."""
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return 1
        return self.value(value, "field")
