"""The examination of the service that tickets are filed with: its number, its form and its approval steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.doctor.configuration import variable_of
from itsm_workflow.doctor.findings import ok, problem, warning
from itsm_workflow.gateway.bk_itsm.services import DISPLAY_TYPE
from itsm_workflow.gateway.bk_itsm.wire import GET_SERVICE_DETAIL, GET_SERVICE_ROLES, GET_SERVICES, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.doctor.findings import Finding
    from itsm_workflow.gateway.bk_itsm.wire import FormField, ServiceRole, ServiceRow
    from itsm_workflow.settings import Settings

T = TypeVar("T")

BUILT_IN = "内置审批服务"
"""The name of the service for fast approval; its number differs between installations."""
_MAX_NAMES = 20
_NO_SUCH_SERVICE = 3900404


@attrs.frozen(kw_only=True)
class Failed:
    """A call without usable data.

    Attributes:
        code: The envelope's code, or None.
        finding: The finding about the failure.
    """

    code: int | str | None
    finding: Finding


class EndpointCaller(Protocol):
    """Calls endpoints of the gateway."""

    def call(self, endpoint: Endpoint[T], params: Mapping[str, object]) -> T | Failed:
        """Call an endpoint and return its data, or the finding about its failure."""
        ...


def examine_service(settings: Settings, caller: EndpointCaller, listed: Sequence[ServiceRow]) -> Iterator[Finding]:
    """Examine the service that the settings name, and yield the findings.

    Args:
        settings: The name of the service and the fields of its form.
        caller: Calls the gateway.
        listed: Every service that the gateway lists.
    """
    if settings.fast_approval:
        yield _built_in(listed)
        return
    number = settings.service_id
    if not number:
        if not (settings.service_name or settings.service_role):
            return  # a finding about the settings reports this
        found = _look_up(settings, caller, listed)
        if not isinstance(found, str):
            yield found
            return
        number = found
    detail = caller.call(GET_SERVICE_DETAIL, {"service_id": number})
    if isinstance(detail, Failed):
        missing = detail.code == _NO_SUCH_SERVICE
        yield _missing(number, settings, listed) if missing else _unread(detail.finding, GET_SERVICE_DETAIL)
        return
    yield ok("gateway.service", f"number {number} is {clean(detail.name, limit=40)}")
    yield from _form(settings, detail.fields)
    roles = caller.call(GET_SERVICE_ROLES, {"service_id": number})
    yield _unread(roles.finding, GET_SERVICE_ROLES) if isinstance(roles, Failed) else _approval(roles)


def _unread(found: Finding, endpoint: Endpoint[Any]) -> Finding:
    """Return a warning about a service that cannot be read: filing tickets does not need this call."""
    seen = f"{endpoint.name} cannot be read: {found.seen}; tickets are filed without it, and forms are not checked"
    return warning(found.name, seen, f"for {endpoint.name}: {found.advice}")


def _built_in(listed: Sequence[ServiceRow]) -> Finding:
    found = next((row for row in listed if row.name == BUILT_IN), None)
    if found is None:
        return warning(
            "gateway.service",
            f"the gateway does not list the built-in service, {BUILT_IN}",
            "ask the administrators of BK-ITSM whether fast approval is available, or set BKAPP_ITSM_SERVICE_ID",
        )
    return ok(
        "gateway.service", f"the built-in service, {BUILT_IN}, is number {found.id}; its form names the approvers"
    )


def _look_up(settings: Settings, caller: EndpointCaller, listed: Sequence[ServiceRow]) -> str | Finding:
    name, role = settings.service_name, settings.service_role
    rows: Sequence[ServiceRow] = listed
    if role:
        answer = caller.call(GET_SERVICES, {"display_role": role, "display_type": DISPLAY_TYPE})
        if isinstance(answer, Failed):
            return answer.finding
        rows = answer
    matches = [row for row in rows if not name or row.name == name]
    if len(matches) == 1:
        return str(matches[0].id)
    wanted = " and ".join([*([f"named {name!r}"] if name else []), *([f"of display role {role!r}"] if role else [])])
    field = "service_name" if name else "service_role"
    return problem(
        "gateway.service",
        f"exactly one service {wanted} is required, but {len(matches)} match; the gateway lists: {_names(rows)}",
        f"correct {variable_of(settings, field)}, or set BKAPP_ITSM_SERVICE_ID",
    )


def _missing(number: str, settings: Settings, listed: Sequence[ServiceRow]) -> Finding:
    known = ", ".join(f"{row.id} {clean(row.name, limit=40)}" for row in listed[:_MAX_NAMES])
    return problem(
        "gateway.service",
        f"service number {number} does not exist; the gateway lists: {known or 'no service'}",
        f"correct {settings.sources['service_id']}",
    )


def _form(settings: Settings, fields: Sequence[FormField]) -> Iterator[Finding]:
    keys = {field.key for field in fields}
    filled = {"title"}
    wrong = False
    for setting in ("approver_field", "content_field"):
        key = getattr(settings, setting)
        if key and key not in keys:
            wrong = True
            yield problem(
                "gateway.form",
                f"the form has no field {key}, which {variable_of(settings, setting)} names; it has: {_fields(fields)}",
                f"correct {variable_of(settings, setting)}: BK-ITSM refuses unknown fields",
            )
        filled |= {key} - {""}
    left = [field for field in fields if field.validate_type == REQUIRED and field.key not in filled]
    if left:
        people = [field.key for field in left if field.type == "MEMBERS"]
        hint = f", or BKAPP_ITSM_APPROVER_FIELD={people[0]} if that field holds the approvers" if people else ""
        yield warning(
            "gateway.form",
            f"the form also requires: {_fields(left)}",
            f"set these among the fields of each change{hint}",
        )
    elif not wrong:
        yield ok("gateway.form", f"every required field of the form is filled: {_fields(fields)}")


def _approval(roles: Sequence[ServiceRole]) -> Finding:
    if not roles:
        return warning(
            "gateway.approval",
            "no step of this service is assigned to a person: a ticket without an approval step ends as approved "
            "without a decision, and the library does not accept it",
            "add an approval step to the service's flow in BK-ITSM",
        )
    steps = ", ".join(clean(role.name, limit=40) for role in roles[:_MAX_NAMES])
    return ok("gateway.approval", f"steps that are assigned to a person: {steps}")


def _fields(fields: Sequence[FormField]) -> str:
    return ", ".join(clean(f"{field.key} ({field.name})", limit=60) for field in fields[:_MAX_NAMES])


def _names(rows: Sequence[ServiceRow]) -> str:
    return ", ".join(sorted({clean(row.name, limit=40) for row in rows})[:_MAX_NAMES]) or "no service"
