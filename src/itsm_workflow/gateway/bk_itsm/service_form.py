"""A form held against the list of fields that its service has, before anything is sent.

BK-ITSM refuses some wrong forms in its answer. Others it takes with a success, and its worker then fails without a
word: the ticket runs for ever, nobody is asked, and it cannot be withdrawn. Both kinds are found here by the list that
the server itself shows. A list that it does not show blocks nothing.
"""

from __future__ import annotations

import copy
import json
import math
from typing import TYPE_CHECKING, Any, Self

import attrs

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.errors import GatewayError, GatewayNotAsked
from itsm_workflow.gateway.bk_itsm.form import FAST_APPROVAL, service_fields
from itsm_workflow.gateway.bk_itsm.services import REMEMBERED
from itsm_workflow.gateway.bk_itsm.wire import GET_SERVICE_DETAIL, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.change import Form
    from itsm_workflow.gateway.bk_itsm.form import Problem
    from itsm_workflow.gateway.bk_itsm.routes import RoutedClient
    from itsm_workflow.gateway.bk_itsm.wire import FormField
    from itsm_workflow.settings import Settings

NOT_SHOWN_AGAIN = 60.0
"""Seconds for which a list that was read, or that could not be read, is not asked for again, whatever it forbids."""

_TITLE = "title"
_ONE, _SEVERAL = frozenset({"SELECT", "RADIO"}), frozenset({"CHECKBOX", "MULTISELECT"})
_JOINED = _SEVERAL | {"MEMBERS"}
_ROWS = frozenset({"TABLE", "CUSTOMTABLE"})
_HIDDEN_BY_CONDITION = 0
_TOLD, _DEPTH = 20, 16


@attrs.frozen(kw_only=True)
class _Remembered:
    """The form of a service, or None if it could not be read; since when, and until when that counts."""

    fields: Sequence[FormField] | None
    since: float
    until: float


class ServiceForms:
    """The forms of services, as the gateway shows them. Shared by threads.

    Args:
        client: Calls the gateway.
        settings: Which of a form's parts go into which field.
        elapsed: Seconds that never go back.
    """

    def __init__(self, client: RoutedClient, settings: Settings, *, elapsed: Callable[[], float]) -> None:
        self._client = client
        self._settings = settings
        self._elapsed = elapsed
        self._memory: dict[str, _Remembered] = {}

    def by(self, client: RoutedClient) -> Self:
        """Return the same forms, with the same memory, that are asked for by another client."""
        other = copy.copy(self)
        other._client = client  # noqa: SLF001 - a copy of this very class
        return other

    def forget(self, service: str) -> None:
        """Ask for the form of a service again at the next filing: what was known of it may be out of date."""
        self._memory.pop(service, None)

    def check(self, form: Form, service: str) -> Sequence[Problem]:
        """Return every ``(field, value, rule)`` of a form that the service's own list of fields forbids.

        The list is remembered for `REMEMBERED` seconds; one that forbids something is read again before that, but not
        within `NOT_SHOWN_AGAIN` seconds. The built-in service is not asked for: its form is known.
        Where the list cannot be read, nothing is wrong, and it is not asked for again for `NOT_SHOWN_AGAIN` seconds.
        """
        if service == FAST_APPROVAL:
            return []
        remembered = self._memory.get(service)
        now = self._elapsed()
        if remembered is None or now >= remembered.until:
            return self._problems(form, service, self._listed(service))
        problems = self._problems(form, service, remembered.fields)
        if problems and now >= remembered.since + NOT_SHOWN_AGAIN:  # the service may have been changed since
            listed = self._listed(service)
            problems = problems if listed is None else self._problems(form, service, listed)
        return problems

    def _problems(self, form: Form, service: str, listed: Sequence[FormField] | None) -> Sequence[Problem]:
        # No form is without a title: a list that has no field says nothing.
        return list(_problems(form, service, listed, self._settings)) if listed else []

    def _listed(self, service: str) -> Sequence[FormField] | None:
        now = self._elapsed()
        fields: Sequence[FormField] | None
        try:
            fields = self._client.call(GET_SERVICE_DETAIL, {"service_id": service}).fields
        except GatewayNotAsked:
            return None  # costs no time, and says nothing of the service
        except GatewayError:
            fields = None
        until = now + (NOT_SHOWN_AGAIN if fields is None else REMEMBERED)
        self._memory[service] = _Remembered(fields=fields, since=now, until=until)
        return fields


def _problems(form: Form, service: str, listed: Sequence[FormField], settings: Settings) -> Iterator[Problem]:
    known = {field.key: field for field in listed}
    given = {_TITLE, *(key for _, key, _ in service_fields(form, settings))}
    places = {settings.approver_field: "approvers", settings.content_field: "content"}
    for field in known.values():
        if field.validate_type == REQUIRED and field.key not in given:
            place = places.get(field.key, f"fields.{clean(field.key, limit=64)}")
            yield place, "", f"must be given: the service {service} requires it ({_name(field)})"
    for place, key, value in service_fields(form, settings):
        shown = clean(repr(value), limit=80)
        if key not in known:
            keys = ", ".join(clean(each, limit=40) for each in list(known)[:_TOLD])
            yield place, shown, f"is no field {key} of the service {service}, which has {keys}"
            continue
        rule = _rule(known[key], value)
        if rule:
            yield place, shown, f"{rule} ({_name(known[key])})"


def _rule(field: FormField, value: object) -> str:
    """Return the rule that a value breaks; empty: none."""
    if value == "" or (value is None and (_is_wanted(field) or field.type not in _ONE | _SEVERAL)):
        return "must not be empty: the service requires it" if _is_wanted(field) else ""
    if field.type == "INT" and not _is_number(value):
        return f"must be a number, not {_json_type(value)}"
    if field.type in _JOINED and not isinstance(value, str):
        return "must be text, several joined by commas"
    if field.type in _ROWS and not value and field.validate_type == REQUIRED:
        return "must not be empty: the service requires it"
    choices = _choices(field)
    if choices is None:
        return ""
    chosen = str(value).split(",") if field.type in _SEVERAL else [str(value)]
    if set(chosen) <= set(choices):
        return ""
    told = ", ".join(clean(f"{key} ({name})" if name else key, limit=60) for key, name in list(choices.items())[:_TOLD])
    return f"must be some of {told}, joined by commas" if field.type in _SEVERAL else f"must be one of {told}"


def _is_wanted(field: FormField) -> bool:
    return field.validate_type == REQUIRED and not (
        type(field.show_type) is int and field.show_type == _HIDDEN_BY_CONDITION
    )


def _is_number(value: object) -> bool:
    """Tell whether the server's worker reads a value of a form as a number: it reads the value's text."""
    if isinstance(value, bool):
        return False
    try:
        return math.isfinite(float(str(value)))
    except (OverflowError, ValueError):
        return False


def _json_type(value: object) -> str:
    if isinstance(value, str):
        return "other text"
    if isinstance(value, bool):
        return json.dumps(value)
    return "a list" if isinstance(value, list | tuple) else "an object"


def _choices(field: FormField) -> Mapping[str, str] | None:
    """Return the choices by the text that is compared, with their names; None if the list does not say them."""
    rows: Any = field.choice
    if field.source_type not in {"", "CUSTOM"} or not isinstance(rows, list | tuple):
        return None
    if field.type in _ONE | _SEVERAL:
        found = _keyed(rows, "key")
    elif field.type == "TREESELECT":
        branches = list(_branches(rows, _DEPTH))
        if None in branches:
            return None
        found = {key: name for branch in branches if branch for key, name in _keyed(branch, "id").items()}
    else:
        return None
    return found or None


def _keyed(rows: Sequence[Any], name: str) -> Mapping[str, str]:
    return {str(row[name]): str(row.get("name", "")) for row in rows if isinstance(row, dict) and name in row}


def _branches(rows: Sequence[Any], depth: int) -> Iterator[Sequence[Any] | None]:
    """Yield the rows of each branch of a tree; None for what is too deep to be read."""
    if depth < 0:
        yield None
        return
    yield rows
    for row in rows:
        below = row.get("children") if isinstance(row, dict) else None
        if isinstance(below, list | tuple) and below:
            yield from _branches(below, depth - 1)


def _name(field: FormField) -> str:
    return clean(field.name or field.key, limit=40)
