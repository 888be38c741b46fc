"""Entries of a history, and any other value of the library, as JSON documents; their keys are documented and stable."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.bkapi.call_log import masked

if TYPE_CHECKING:
    from itsm_workflow.change import Entry


def entry_view(entry: Entry) -> dict[str, object]:
    """Return an entry as a JSON object; the keys of ``evidence`` depend on its type, which ``kind`` names."""
    return {
        "seq": entry.seq,
        "at": plain(entry.at),
        "trigger": entry.trigger,
        "from": entry.source,
        "to": entry.dest,
        "actor": entry.actor,
        "kind": type(entry.evidence).__name__ if attrs.has(type(entry.evidence)) else "",
        "evidence": shown(entry.evidence),
        "effects": list(entry.effects),
    }


def plain(value: object) -> object:
    """Return a value as JSON; times in ISO 8601, UTC, to the millisecond."""
    kind: type = type(value)
    if attrs.has(kind):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(kind)}
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def shown(value: object) -> object:
    """Return a value as JSON in which a secret is masked by the name of its key, at any depth, as in the log."""
    return masked({"": plain(value)})[""]
