"""Comparing two JSON values by shape and vocabulary, not by texts, ids and times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.recorded import Json

# Under these names a value is a word of the protocol, not somebody's text.
VOCABULARY = frozenset(
    {
        "action_type",
        "approve_result",
        "can_operate",
        "can_withdraw",
        "count",
        "current_status",
        "from_state_type",
        "is_commented",
        "is_passed",
        "key",
        "page",
        "processors_type",
        "result",
        "service_type",
        "sign_type",
        "source",
        "state_id",
        "total_page",
        "type",
        "validate_type",
    }
)
RANDOM_KEY = re.compile(r"[0-9A-Za-z]{32}")


def differences(recorded: Json, seen: Json, *, lengths: bool = True) -> list[str]:
    """List where a value differs from a recorded one.

    Args:
        recorded: what BK-ITSM sent.
        seen: what the sandbox sent.
        lengths: lists must be equally long; False for a recording that was cut.

    Returns:
        One line per difference, empty if there is none.
    """
    found = [f"{path}: recorded {_names(known)}, seen {_names(new)}" for path, known, new in _types(recorded, seen)]
    return found + _words(recorded, seen, "$", lengths=lengths)


def _names(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds)) or "nothing"


def _types(recorded: Json, seen: Json) -> list[tuple[str, frozenset[str], frozenset[str]]]:
    known, new = _collect(recorded), _collect(seen)
    paths = sorted(known.keys() | new.keys())
    nothing: frozenset[str] = frozenset()
    return [
        (path, known.get(path, nothing), new.get(path, nothing))
        for path in paths
        if not new.get(path, nothing) or not new[path] <= known.get(path, nothing)
    ]


def _collect(value: Json) -> dict[str, frozenset[str]]:
    """Map each path to the types met there; the elements of a list share one path."""
    found: dict[str, set[str]] = {}

    def walk(item: Json, path: str) -> None:
        found.setdefault(path, set()).add(type(item).__name__)
        if isinstance(item, dict):
            for key, inner in item.items():
                walk(inner, f"{path}.{key}")
        elif isinstance(item, list):
            for inner in item:
                walk(inner, f"{path}[]")

    walk(value, "$")
    return {path: frozenset(kinds) for path, kinds in found.items()}


def _words(recorded: Json, seen: Json, path: str, *, lengths: bool) -> list[str]:
    if isinstance(recorded, dict) and isinstance(seen, dict):
        found = []
        for key in recorded.keys() & seen.keys():
            known, new = recorded[key], seen[key]
            if key in VOCABULARY and _is_word(known) and known != new:
                found.append(f"{path}.{key}: recorded {known!r}, seen {new!r}")
            found += _words(known, new, f"{path}.{key}", lengths=lengths)
        return found
    if isinstance(recorded, list) and isinstance(seen, list):
        found = []
        if lengths and len(recorded) != len(seen):
            found.append(f"{path}: recorded {len(recorded)} elements, seen {len(seen)}")
        for number, (known, new) in enumerate(zip(recorded, seen, strict=False)):
            found += _words(known, new, f"{path}[{number}]", lengths=lengths)
        return found
    return []


def _is_word(value: Json) -> bool:
    if isinstance(value, str):
        return RANDOM_KEY.fullmatch(value) is None
    return value is None or isinstance(value, (bool, int))
