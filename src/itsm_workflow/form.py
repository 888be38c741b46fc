"""Build a `Form` from the host's arguments: checks all types and reports all problems together."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Required, TypedDict

from itsm_workflow.change import Form
from itsm_workflow.errors import InvalidForm
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.strict import SizeLimit, TooLargeError, by_key, canonical, json_value
from itsm_workflow.text import (
    code_points,
    invisible_in,
    is_blank,
    kind_of,
    plain,
    steering_in,
    texts_in,
    unstorable,
)

Problem = tuple[str, str, str]
"""A field, its value as shown to a person, and the rule that the value breaks."""

FormCheck = Callable[[Form], Sequence[Problem]]
"""A check of the host: returns the problems of a form."""

SUBJECT_LIMIT = PERSON_LIMIT = 200
APPROVERS_LIMIT = 200
FIELDS_LIMIT = 500
FIELDS_SIZE = 1024 * 1024
"""The maximal number of characters of a form's fields as JSON."""

_SHOWN = 60


class FormArguments(TypedDict, total=False):
    """The arguments of the host for a form, as the methods of `Workflow` take them."""

    title: Required[str]
    applicant: Required[str]
    approvers: Collection[str]
    content: str
    fields: Mapping[str, object] | None


class ApplyArguments(FormArguments, total=False):
    """The keyword arguments of `Workflow.apply`, as `Workflow.apply_many` takes them."""

    subject: Required[str]
    actor: str | None
    form_check: FormCheck | None


def make_form(
    *,
    title: object = None,
    applicant: object = None,
    approvers: object = (),
    content: object = "",
    fields: object = None,
) -> Form:
    """Return a form of the given values. The arguments can have any type, since this function checks their types.

    Raises:
        InvalidForm: Values have the wrong type or cannot be stored. The error lists all of them.
    """
    title, applicant, content = plain(title), plain(applicant), plain(content)
    names = tuple(map(plain, approvers)) if isinstance(approvers, list | tuple | set | frozenset) else approvers
    kept, wrong = _fields(fields)
    problems = [
        *_text("title", title),
        *check_user("applicant", applicant),
        *([] if content == "" else _text("content", content)),
        *_approvers(names),
        *wrong,
    ]
    if problems or not isinstance(names, tuple):
        raise InvalidForm(problems)
    return Form(
        title=str(title), applicant=str(applicant), approvers=names, content=str(content), fields=ReadOnlyDict(kept)
    )


def sound_parts(arguments: FormArguments, problems: Sequence[Problem]) -> FormArguments:
    """Return the arguments with a placeholder for each wrong part, so that the other parts can be checked further."""
    wrong = {field for field, _, _ in problems}
    names, fields = arguments.get("approvers", ()), arguments.get("fields")
    if "approvers" in wrong:
        names = ("somebody",)
    else:
        names = [f"somebody{at}" if f"approvers[{at}]" in wrong else name for at, name in enumerate(names)]
    if "fields" in wrong or not isinstance(fields, Mapping):
        fields = {}
    else:
        fields = {key: value for key, value in fields.items() if f"fields.{plain(key)}" not in wrong}
    return {
        "title": "a title" if "title" in wrong else arguments["title"],
        "applicant": "somebody" if "applicant" in wrong else arguments["applicant"],
        "approvers": names,
        "content": "" if "content" in wrong else arguments.get("content", ""),
        "fields": fields,
    }


def normal_subject(subject: object) -> str:
    """Return a subject in its stored spelling, Unicode normalization form NFC. Letter case is kept.

    Raises:
        InvalidForm: The subject is not text, is empty or too long, or contains invisible characters. Two subjects
            that look the same must be equal.
    """
    subject = plain(subject)
    problems = check_subject(subject)
    if problems:
        raise InvalidForm(problems)
    return unicodedata.normalize("NFC", str(subject))


def check_subject(subject: object) -> Sequence[Problem]:
    """Return the problems of a subject."""
    subject = plain(subject)
    problems = check_name("subject", subject, limit=SUBJECT_LIMIT)
    if problems or not isinstance(subject, str):
        return problems
    if len(unicodedata.normalize("NFC", subject)) > SUBJECT_LIMIT:
        return [
            (
                "subject",
                shown(subject),
                f"must have at most {SUBJECT_LIMIT} characters in Unicode normalization form NFC",
            )
        ]
    return []


def check_name(field: str, value: object, *, limit: int = 10_000) -> Sequence[Problem]:
    """Return the problems of a subject, an id or a number. Two of them that look the same must be equal."""
    value = plain(value)
    problems = _text(field, value, limit=limit)
    if problems or not isinstance(value, str):
        return problems
    if value != value.strip():
        return [(field, shown(value), "must not begin or end with white space")]
    return _invisible(field, value)


def check_person(actor: object, reason: object = "", *, field: str = "reason") -> Sequence[Problem]:
    """Return the problems of an actor, and of the reason that the actor gives in a field."""
    return [*check_user("actor", actor), *(check_shown(field, reason) if reason != "" else ())]


def check_user(field: str, value: object) -> Sequence[Problem]:
    """Return the problems of a user name. Two user names that look the same must be equal."""
    value = plain(value)
    problems = check_shown(field, value, limit=PERSON_LIMIT)
    return problems if problems or not isinstance(value, str) else _invisible(field, value)


def check_shown(field: str, value: object, *, limit: int = 10_000) -> Sequence[Problem]:
    """Return the problems of a text that a history stores and shows to people on one line."""
    value = plain(value)
    problems = _text(field, value, limit=limit)
    if problems or not isinstance(value, str):
        return problems
    found = steering_in(value)
    rule = "must be one line, without control and direction characters"
    return [(field, shown(value), f"{rule}, but contains {code_points(found)}")] if found else []


def shown(value: object) -> str:
    """Return a value as messages show it: one line of limited length."""
    text = ""
    try:
        for piece in _pieces(value):
            text += piece
            if len(text) > _SHOWN:
                break
    except Exception:  # noqa: BLE001 - the repr of a value from outside may be too long, or may raise
        text = kind_of(value)
    text = " ".join(text.splitlines())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _pieces(value: object) -> Iterator[str]:
    """Yield the representation of a value in pieces, since the same list can occur in it a million times."""
    if isinstance(value, str | bytes):
        yield repr(value[: _SHOWN + 1])
        return
    if not isinstance(value, list | tuple | set | frozenset | Mapping):
        yield repr(value)
        return
    start, end = "()" if isinstance(value, tuple) else "[]" if isinstance(value, list) else "{}"
    yield start
    for number, one in enumerate(value):
        yield ", " if number else ""
        yield from _pieces(one)
        if isinstance(value, Mapping):
            yield ": "
            yield from _pieces(value[one])
    yield "," if isinstance(value, tuple) and len(value) == 1 else ""
    yield end


def _invisible(field: str, value: str) -> Sequence[Problem]:
    found = invisible_in(value)
    rule = "must not contain invisible characters"
    return [(field, shown(value), f"{rule}, but contains {code_points(found)}")] if found else []


def _text(field: str, value: object, limit: int = 10_000) -> list[Problem]:
    if not isinstance(value, str):
        return [(field, shown(value), f"must be text, not {type(value).__name__}")]
    if not value.strip():
        return [(field, shown(value), "must not be empty")]
    if len(value) > limit:
        return [(field, shown(value), f"must have at most {limit} characters")]
    problems = _storable(field, value)
    if not problems and is_blank(value):
        return [(field, shown(value), "must not be empty: none of its characters is visible")]
    return problems


def _storable(field: str, value: str) -> list[Problem]:
    rule = unstorable(value)
    return [(field, shown(value), rule)] if rule else []


def _approvers(names: object) -> list[Problem]:
    if not isinstance(names, tuple):
        return [("approvers", shown(names), 'must be a list of user names, e.g. ["bob"]')]
    if len(names) > APPROVERS_LIMIT:
        return [("approvers", f"<{len(names)} names>", f"must name at most {APPROVERS_LIMIT} users")]
    return [problem for number, name in enumerate(names) for problem in check_user(f"approvers[{number}]", name)]


def _fields(fields: object) -> tuple[dict[str, object], list[Problem]]:
    """Return the fields as they are stored, and their problems."""
    kept: dict[str, object] = {}
    if fields is None:
        return kept, []
    if not isinstance(fields, Mapping):
        return kept, [("fields", shown(fields), "must be a mapping of form keys to values")]
    if len(fields) > FIELDS_LIMIT:
        return kept, [("fields", f"<{len(fields)} fields>", f"must have at most {FIELDS_LIMIT} fields")]
    problems: list[Problem] = []
    limit = SizeLimit(FIELDS_SIZE)
    for key, value in fields.items():
        name = plain(key)
        wrong = _key(name, kept)
        if not wrong and isinstance(name, str):
            try:
                kept[name] = json_value(value, limit=limit)
            except TooLargeError:
                return {}, [*problems, _too_large(f"over {FIELDS_SIZE}")]
            except ValueError as error:
                wrong = [(f"fields.{name}", shown(value), str(error))]
            else:
                wrong = [problem for text in texts_in(kept[name]) for problem in _storable(f"fields.{name}", text)]
        problems += wrong
    size = sum(len(name) + len(canonical(value)) for name, value in kept.items())
    # Stored in this order, so every process sends them, and compares a found ticket with them, in one order.
    return by_key(kept), problems if size <= FIELDS_SIZE else [*problems, _too_large(str(size))]


def _key(name: object, taken: Mapping[str, object]) -> list[Problem]:
    if not isinstance(name, str) or not name:
        return [("fields", shown(name), "each key must be text and not empty")]
    return [("fields", shown(name), "must have each key once")] if name in taken else _storable("fields", name)


def _too_large(size: str) -> Problem:
    return "fields", f"<{size} characters>", f"must have at most {FIELDS_SIZE} characters as JSON"
