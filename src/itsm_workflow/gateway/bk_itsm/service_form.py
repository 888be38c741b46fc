"""The check of a form against the list of its service's fields, before anything is sent.

BK-ITSM refuses some wrong forms. It accepts others with a success, and its worker then fails silently: the ticket runs
without end, no approver is asked, and the ticket cannot be withdrawn. This module finds both kinds with the list of
fields that the server itself shows. If the server does not show the list, no form is rejected.
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
"""The seconds before a list is requested again, whether it was read or not, and whatever it forbids."""

_TITLE = "title"
_ONE, _SEVERAL = frozenset({"SELECT", "RADIO"}), frozenset({"CHECKBOX", "MULTISELECT"})
_JOINED = _SEVERAL | {"MEMBERS"}
_ROWS = frozenset({"TABLE", "CUSTOMTABLE"})
_HIDDEN_BY_CONDITION = 0
_LISTED, _DEPTH = 20, 16


@attrs.frozen(kw_only=True)
class _Remembered:
    """A cached result of reading a service's form.

    Attributes:
        fields: The fields, or None if the form could not be read.
        since: When the form was requested.
        until: When the result expires.
    """

    fields: Sequence[FormField] | None
    since: float
    until: float


class ServiceForms:
    """A cache of the forms of services, as the gateway shows them. Thread-safe.

    Args:
        client: Calls the gateway.
        settings: Name the fields that carry the parts of a form.
        elapsed: A monotonic clock, in seconds.
    """

    def __init__(self, client: RoutedClient, settings: Settings, *, elapsed: Callable[[], float]) -> None:
        self._client = client
        self._settings = settings
        self._elapsed = elapsed
        self._memory: dict[str, _Remembered] = {}

    def by(self, client: RoutedClient) -> Self:
        """Return a copy that shares the cache and calls the gateway by another client."""
        other = copy.copy(self)
        other._client = client  # noqa: SLF001 - a copy of this very class
        return other

    def forget(self, service: str) -> None:
        """Remove the form of a service from the cache; the next filing requests it again."""
        self._memory.pop(service, None)

    def check(self, form: Form, service: str) -> Sequence[Problem]:
        """Return a ``(field, value, rule)`` for each value that the service's own list of fields forbids.

        The list is cached for `REMEMBERED` seconds. A list that forbids a value is read again earlier, but not within
        `NOT_SHOWN_AGAIN` seconds. The form of the built-in service is known, so it is never requested.
        If the list cannot be read, the form has no problems, and the list is not requested again for
        `NOT_SHOWN_AGAIN` seconds.
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

    def fields(self, service: str) -> Sequence[FormField] | None:
        """Return a service's own list of fields, from the cache if it is there, or None if it cannot be read."""
        remembered = self._memory.get(service)
        if remembered is not None and self._elapsed() < remembered.until:
            return remembered.fields
        return self._listed(service)

    def _problems(self, form: Form, service: str, listed: Sequence[FormField] | None) -> Sequence[Problem]:
        # Every form has a title, so an empty list is not a list of fields.
        return list(_problems(form, service, listed, self._settings)) if listed else []

    def _listed(self, service: str) -> Sequence[FormField] | None:
        now = self._elapsed()
        fields: Sequence[FormField] | None
        try:
            fields = self._client.call(GET_SERVICE_DETAIL, {"service_id": service}).fields
        except GatewayNotAsked:
            return None  # no call was sent, so the next check may try again
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
            keys = ", ".join(clean(each, limit=40) for each in list(known)[:_LISTED])
            yield place, shown, f"needs the field {key}, which the service {service} does not have: it has {keys}"
            continue
        rule = _rule(known[key], value)
        if rule:
            yield place, shown, f"{rule} ({_name(known[key])})"


def _rule(field: FormField, value: object) -> str:
    """Return the rule that a value breaks, or an empty string."""
    if value == "" or (value is None and (_is_required(field) or field.type not in _ONE | _SEVERAL)):
        return "must not be empty: the service requires it" if _is_required(field) else ""
    if field.type == "INT" and not _is_number(value):
        return f"must be a number, not {_json_type(value)}"
    if field.type in _JOINED and not isinstance(value, str):
        return "must be text, with commas between several values"
    if field.type in _ROWS and not value and field.validate_type == REQUIRED:
        return "must not be empty: the service requires it"
    choices = _choices(field)
    if choices is None:
        return ""
    chosen = str(value).split(",") if field.type in _SEVERAL else [str(value)]
    if set(chosen) <= set(choices):
        return ""
    names = [clean(f"{key} ({name})" if name else key, limit=60) for key, name in list(choices.items())[:_LISTED]]
    listed = ", ".join(names)
    return f"must be some of {listed}, joined by commas" if field.type in _SEVERAL else f"must be one of {listed}"


def _is_required(field: FormField) -> bool:
    return field.validate_type == REQUIRED and not (
        type(field.show_type) is int and field.show_type == _HIDDEN_BY_CONDITION
    )


def _is_number(value: object) -> bool:
    """Return whether the server's worker parses a value of a form as a number; it parses the value's text."""
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
    """Return the names of the choices by the text that is compared; None if the list does not contain them."""
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
    """Yield the rows of each branch of a tree; None for a branch that is too deep to be read."""
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
