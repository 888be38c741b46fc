"""The check of a form, and the body of create_ticket that is built from it.

The check finds values that BK-ITSM would refuse, or accept and then process wrongly. Its rules come from the behaviour
of a server. A blank after a comma in the approvers is accepted, and that approver can then never approve. A title of
more than 128 characters, or with an emoji, is refused with a database error.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.strict import json_value
from itsm_workflow.text import code_points, texts_in, unstorable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow.change import Attempt, Form
    from itsm_workflow.gateway.protocol import CreateRequest
    from itsm_workflow.settings import Settings

FAST_APPROVAL = "fast_approval"
"""The name of the built-in service in place of its number, which differs from one installation to another."""

APPROVER_FIELD = "APPROVER"
"""The field of the built-in service that names the approvers."""

CONTENT_FIELD = "APPROVAL_CONTENT"
"""The field of the built-in service with the text for the approvers."""

TITLE_LIMIT = 120
NAME_LIMIT = 64
KEY_LIMIT = 32
_SUFFIX_CHARACTERS = 8
_DEPTH_LIMIT = 16
_STARS = "***"
_FIELD_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SEPARATORS = re.compile(r"[\s,;，；、]")
_LINES = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")  # Unicode's categories Cc, Zl and Zp
_IN_PATH = re.compile(r"/[A-Za-z0-9_-]{43}/?\Z")  # the credential, where it ends the callback's address
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")

Problem = tuple[str, str, str]


def title_suffix(key: str) -> str:
    """Return the end of a title that carries the short form of the key."""
    return f" #{key[-_SUFFIX_CHARACTERS:]}"


def full_title(form: Form, key: str, settings: Settings) -> str:
    """Return the title as it is sent."""
    return form.title + (title_suffix(key) if settings.key_in_title else "")


def other_title(form: Form, key: str, settings: Settings) -> str:
    """Return the title as it would be sent with the other value of ``key_in_title``."""
    return form.title + ("" if settings.key_in_title else title_suffix(key))


def check_form(form: Form, settings: Settings) -> list[Problem]:
    """Return a ``(field, value, rule)`` for each problem of a form."""
    return [
        (field, clean(repr(value), limit=80), rule)
        for part in (_title(form, settings), _people(form, settings), _content(form, settings), _fields(form, settings))
        for field, value, rule in part
    ]


def build_body(request: CreateRequest, settings: Settings) -> dict[str, object]:
    """Return the body of create_ticket. The callback's address and headers stay secrets: they contain a credential.

    Raises:
        ValueError: The attempt's service is not a number, or its key is empty or too long.
    """
    form, attempt = request.form, request.attempt
    if not 0 < len(attempt.key) <= KEY_LIMIT:
        raise ValueError(f"the attempt's key must be 1 to {KEY_LIMIT} characters long")
    body: dict[str, object] = {"creator": attempt.creator, "operator": attempt.creator}
    body["bk_username"] = settings.api_user
    if attempt.service == FAST_APPROVAL:
        body["fast_approval"] = True
    else:
        if not (attempt.service.isascii() and attempt.service.isdigit()):
            raise ValueError(f"the attempt's service must be a number or {FAST_APPROVAL}")
        body["service_id"] = int(attempt.service)
    body["fields"] = [{"key": key, "value": value} for key, value in sent_fields(form, attempt, settings)]
    body["tag"] = attempt.key
    if request.callback_url is not None:
        body["meta"] = {"callback_url": request.callback_url, "headers": dict(request.callback_headers)}
    return body


def sent_fields(form: Form, attempt: Attempt, settings: Settings) -> list[tuple[str, object]]:
    """Return the fields of create_ticket as pairs of key and value."""
    title: tuple[str, object] = ("title", full_title(form, attempt.key, settings))
    if attempt.service == FAST_APPROVAL:
        return [title, (APPROVER_FIELD, ",".join(form.approvers)), (CONTENT_FIELD, approval_content(form))]
    return [title, *((key, value) for _, key, value in service_fields(form, settings))]


def service_fields(form: Form, settings: Settings) -> list[tuple[str, str, object]]:
    """Return the fields except the title that a configured service is sent: part of the form, key and value."""
    fields: list[tuple[str, str, object]] = [(f"fields.{key}", key, value) for key, value in form.fields.items()]
    if settings.approver_field and form.approvers:
        fields.append(("approvers", settings.approver_field, ",".join(form.approvers)))
    if settings.content_field and form.content:
        fields.append(("content", settings.content_field, form.content))
    return fields


def shown_body(body: Mapping[str, object]) -> dict[str, object]:
    """Return a body for people, with stars for the credential in the callback's address and for the header values."""
    shown = dict(body)
    meta: Any = body.get("meta")
    if meta:
        shown["meta"] = {
            "callback_url": _IN_PATH.sub(f"/{_STARS}/", meta["callback_url"].reveal()),
            "headers": dict.fromkeys(meta["headers"], _STARS),
        }
    return shown


def approval_content(form: Form) -> str:
    """Return the text for the approver of the built-in service: the content, then each field on a separate line."""
    lines = [f"{key}: {value if isinstance(value, str) else _json(value)}" for key, value in form.fields.items()]
    return "\n".join([*filter(None, [form.content]), *lines]) or form.title


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _title(form: Form, settings: Settings) -> Iterator[Problem]:
    limit = TITLE_LIMIT - (len(title_suffix("0" * KEY_LIMIT)) if settings.key_in_title else 0)
    if not form.title.strip():
        yield "title", form.title, "must not be empty"
    if len(form.title) > limit:
        yield "title", form.title, f"must be at most {limit} characters long"
    found = (*_LINES.findall(form.title), *_BIDI.findall(form.title))
    if found:
        rule = "must be one line, without control and direction characters"
        yield "title", form.title, f"{rule}, but contains {code_points(found)}"
    yield from _text("title", form.title, settings)


def _people(form: Form, settings: Settings) -> Iterator[Problem]:
    yield from _name("applicant", form.applicant, settings)
    wanted = settings.fast_approval or settings.approver_field
    if settings.fast_approval and not form.approvers:
        yield "approvers", "", "must name at least one approver, since the built-in service does not define any"
    elif form.approvers and not wanted:
        rule = "must be empty: the service defines its own approvers unless fast_approval or approver_field is set"
        yield "approvers", ",".join(form.approvers), rule
        return
    seen: set[str] = set()
    for position, name in enumerate(form.approvers):
        yield from _name(f"approvers[{position}]", name, settings)
        if name in seen:
            yield f"approvers[{position}]", name, "must be named once"
        seen.add(name)


def _name(field: str, name: str, settings: Settings) -> Iterator[Problem]:
    if not name:
        yield field, name, "must not be empty"
    elif _SEPARATORS.search(name) or _LINES.search(name):
        yield field, name, "must be one user name, without blanks, commas or semicolons"
    if len(name) > NAME_LIMIT:
        yield field, name, f"must be at most {NAME_LIMIT} characters long"
    yield from _text(field, name, settings)


def _content(form: Form, settings: Settings) -> Iterator[Problem]:
    if form.content and not (settings.fast_approval or settings.content_field):
        yield "content", form.content, "must be empty, since the service has no field for it"
    yield from _text("content", form.content, settings)


def _fields(form: Form, settings: Settings) -> Iterator[Problem]:
    taken = {"title", settings.approver_field, settings.content_field} - {""}
    for key, value in form.fields.items():
        place = f"fields.{key}"
        if not _FIELD_KEY.fullmatch(key):
            yield "fields", key, "must have keys of letters, digits and _ . -, at most 64 characters long"
        elif key in taken and not settings.fast_approval:
            yield place, str(value), "must not be given here: it is filled from the form's own parts"
        if not _is_json(value):
            yield place, f"<{type(value).__name__}>", "must be a JSON value, without NaN, at most 16 levels deep"
            continue
        for text in texts_in(value):
            yield from _text(place, text, settings)


def _text(field: str, text: str, settings: Settings) -> Iterator[Problem]:
    rule = unstorable(text, four_bytes=settings.four_byte_text)
    if rule:
        yield field, text, rule


def _is_json(value: object) -> bool:
    try:
        json_value(value, _DEPTH_LIMIT + 1)  # the innermost value is not a level
    except ValueError:
        return False
    return True
