"""What a host hands in, made into a `Form`: types checked, every problem told at once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Required, TypedDict

from itsm_workflow.change import Form
from itsm_workflow.errors import InvalidForm
from itsm_workflow.storage.strict import canonical, json_value
from itsm_workflow.text import steers

if TYPE_CHECKING:
    from collections.abc import Iterable

Problem = tuple[str, str, str]
"""Field, value as shown to a person, and the rule it breaks."""

FormCheck = Callable[[Form], Sequence[Problem]]
"""A host's own check of a form: returns all that is wrong with it."""

SUBJECT_LIMIT = PERSON_LIMIT = 200
APPROVERS_LIMIT = 200
FIELDS_LIMIT = 500
FIELDS_SIZE = 1024 * 1024
"""Characters that the fields of a form may have as JSON."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_SHOWN = 60
# Letters and marks that no font draws; Python counts them as printable. From Unicode's Default_Ignorable_Code_Point,
# and the blank of Braille.
_INVISIBLE = frozenset(
    map(
        chr,
        (
            0x034F,
            0x115F,
            0x1160,
            0x17B4,
            0x17B5,
            *range(0x180B, 0x1810),
            0x2800,
            0x3164,
            *range(0xFE00, 0xFE10),
            0xFFA0,
            *range(0xE0100, 0xE01F0),
        ),
    )
)


class Asked(TypedDict, total=False):
    """What a host asks for.

    Attributes:
        title: The ticket's title.
        applicant: Who asks; becomes the ticket's creator.
        approvers: Who shall decide, where the gateway's service does not say it.
        content: What the approver reads; by default the fields.
        fields: The form's fields by key, JSON values.
    """

    title: Required[str]
    applicant: Required[str]
    approvers: Iterable[str]
    content: str
    fields: Mapping[str, object] | None


def make_form(
    *,
    title: object = None,
    applicant: object = None,
    approvers: object = (),
    content: object = "",
    fields: object = None,
) -> Form:
    """Return the form. Takes anything, since its types are what it checks.

    Raises:
        InvalidForm: A value is of the wrong type or not storable; lists all such values.
    """
    names = tuple(approvers) if isinstance(approvers, list | tuple | set | frozenset) else approvers
    problems = [
        *_text("title", title),
        *_text("applicant", applicant),
        *([] if content == "" else _text("content", content)),
        *_approvers(names),
        *_fields(fields),
    ]
    if problems or not isinstance(names, tuple) or not isinstance(fields, Mapping | None):
        raise InvalidForm(problems)
    return Form(
        title=str(title),
        applicant=str(applicant),
        approvers=names,
        content=str(content),
        fields=MappingProxyType({key: json_value(value) for key, value in (fields or {}).items()}),
    )


def normal_subject(subject: object) -> str:
    """Return a subject in the one spelling that is stored: Unicode's form NFC. Letter case is kept.

    Raises:
        InvalidForm: It is not text, is empty or too long, or holds characters that a reader cannot see: two subjects
            that look the same must be the same.
    """
    problems = check_subject(subject)
    if problems:
        raise InvalidForm(problems)
    return unicodedata.normalize("NFC", str(subject))


def check_subject(subject: object) -> Sequence[Problem]:
    """Return what is wrong with a subject."""
    problems = _text("subject", subject, limit=SUBJECT_LIMIT)
    if problems or not isinstance(subject, str):
        return problems
    if subject != subject.strip():
        return [("subject", shown(subject), "must not begin or end with a blank")]
    unseen = sorted({character for character in subject if not character.isprintable() or character in _INVISIBLE})
    if unseen:
        listed = ", ".join(f"U+{ord(character):04X}" for character in unseen)
        return [("subject", shown(subject), f"must not hold invisible characters, and holds {listed}")]
    if len(unicodedata.normalize("NFC", subject)) > SUBJECT_LIMIT:
        return [("subject", shown(subject), f"must have at most {SUBJECT_LIMIT} characters in Unicode's form NFC")]
    return []


def check_person(actor: object, reason: object = "", *, field: str = "reason") -> Sequence[Problem]:
    """Return what is wrong with who decides something, and with the reason that is given in a field."""
    return [*check_shown("actor", actor, limit=PERSON_LIMIT), *(check_shown(field, reason) if reason != "" else ())]


def check_shown(field: str, value: object, *, limit: int = 10_000) -> Sequence[Problem]:
    """Return what is wrong with a text that stays in a history and is read there by people, on one line."""
    problems = _text(field, value, limit=limit)
    if problems or not isinstance(value, str):
        return problems
    listed = ", ".join(f"U+{ord(character):04X}" for character in sorted(set(filter(steers, value))))
    rule = "must be one line, without control characters and marks of direction"
    return [(field, shown(value), f"{rule}, and holds {listed}")] if listed else []


def shown(value: object) -> str:
    """Return a value as a message shows it: one line, not too long."""
    try:
        text = " ".join(repr(value).splitlines())
    except Exception:  # noqa: BLE001 - a value from outside may be too deep, too long, or unable to show itself
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _text(field: str, value: object, limit: int = 10_000) -> list[Problem]:
    if not isinstance(value, str):
        return [(field, shown(value), f"must be text, not {type(value).__name__}")]
    if not value.strip():
        return [(field, shown(value), "must not be empty")]
    if len(value) > limit:
        return [(field, shown(value), f"must have at most {limit} characters")]
    return _storable(field, value)


def _storable(field: str, value: str) -> list[Problem]:
    if _UNSTORABLE.search(value):
        return [(field, shown(value), "must not have NUL characters or lone surrogates")]
    return []


def _approvers(names: object) -> list[Problem]:
    if not isinstance(names, tuple):
        return [("approvers", shown(names), 'must be a list of user names, e.g. ["bob"]')]
    if len(names) > APPROVERS_LIMIT:
        return [("approvers", f"<{len(names)} names>", f"must name at most {APPROVERS_LIMIT} users")]
    return [problem for number, name in enumerate(names) for problem in _text(f"approvers[{number}]", name)]


def _fields(fields: object) -> list[Problem]:
    if fields is None:
        return []
    if not isinstance(fields, Mapping):
        return [("fields", shown(fields), "must be a mapping of form keys to values")]
    if len(fields) > FIELDS_LIMIT:
        return [("fields", f"<{len(fields)} fields>", f"must have at most {FIELDS_LIMIT} fields")]
    problems: list[Problem] = []
    size = 0
    for key, value in fields.items():
        if not isinstance(key, str) or not key:
            problems.append(("fields", shown(key), "keys must be text"))
            continue
        if _storable("fields", key):
            problems += _storable("fields", key)
            continue
        try:
            size += len(key) + len(canonical(json_value(value)))
        except ValueError as error:
            problems.append((f"fields.{key}", shown(value), str(error)))
        else:
            problems += _unstorable_texts(f"fields.{key}", value)
    if size > FIELDS_SIZE:
        problems.append(("fields", f"<{size} characters>", f"must have at most {FIELDS_SIZE} characters as JSON"))
    return problems


def _unstorable_texts(field: str, value: object) -> list[Problem]:
    if isinstance(value, str):
        return _storable(field, value)
    if isinstance(value, list | tuple):
        return [problem for one in value for problem in _unstorable_texts(field, one)]
    if isinstance(value, Mapping):
        return [problem for pair in value.items() for one in pair for problem in _unstorable_texts(field, one)]
    return []
