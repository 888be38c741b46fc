"""The service that tickets are filed with: found, asked somebody, and its form can be filled."""

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
"""The name of the service behind fast approval; its number differs from install to install."""
_NAMES_TOLD = 20
_NO_SUCH_SERVICE = 3900404


@attrs.frozen(kw_only=True)
class Failed:
    """A call that brought no data.

    Attributes:
        code: The envelope's code, if there was one.
        finding: What it means.
    """

    code: int | str | None
    finding: Finding


class Asks(Protocol):
    """Asks the gateway."""

    def ask(self, endpoint: Endpoint[T], params: Mapping[str, object]) -> T | Failed:
        """Call an endpoint and return its data, or what it means that there are none."""
        ...


def examine_service(settings: Settings, asks: Asks, listed: Sequence[ServiceRow]) -> Iterator[Finding]:
    """Yield what is found of the service that the settings name.

    Args:
        settings: Name the service, and the fields of its form.
        asks: Asks the gateway.
        listed: Every service that the gateway lists.
    """
    if settings.fast_approval:
        yield _built_in(listed)
        return
    number = settings.service_id
    if not number:
        if not (settings.service_name or settings.service_role):
            return  # told with the settings
        found = _look_up(settings, asks, listed)
        if not isinstance(found, str):
            yield found
            return
        number = found
    detail = asks.ask(GET_SERVICE_DETAIL, {"service_id": number})
    if isinstance(detail, Failed):
        missing = detail.code == _NO_SUCH_SERVICE
        yield _missing(number, settings, listed) if missing else _unread(detail.finding, GET_SERVICE_DETAIL)
        return
    yield ok("gateway.service", f"number {number} is {clean(detail.name, limit=40)}")
    yield from _form(settings, detail.fields)
    roles = asks.ask(GET_SERVICE_ROLES, {"service_id": number})
    yield _unread(roles.finding, GET_SERVICE_ROLES) if isinstance(roles, Failed) else _approval(roles)


def _unread(found: Finding, endpoint: Endpoint[Any]) -> Finding:
    """Return what keeps a service from being read: credentials were taken, and tickets are filed all the same."""
    seen = f"{endpoint.name} cannot be read: {found.seen}; tickets are filed without it, and forms not held against it"
    return warning(found.name, seen, f"for {endpoint.name}: {found.advice}")


def _built_in(listed: Sequence[ServiceRow]) -> Finding:
    found = next((row for row in listed if row.name == BUILT_IN), None)
    if found is None:
        return warning(
            "gateway.service",
            f"the built-in service, {BUILT_IN}, is not listed",
            "ask those who run BK-ITSM whether fast approval is there, or set BKAPP_ITSM_SERVICE_ID",
        )
    return ok(
        "gateway.service", f"the built-in service, {BUILT_IN}, is number {found.id}; its form names the approvers"
    )


def _look_up(settings: Settings, asks: Asks, listed: Sequence[ServiceRow]) -> str | Finding:
    name, role = settings.service_name, settings.service_role
    rows: Sequence[ServiceRow] = listed
    if role:
        answer = asks.ask(GET_SERVICES, {"display_role": role, "display_type": DISPLAY_TYPE})
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
        f"one service {wanted} is needed, there are {len(matches)}; the gateway lists: {_names(rows)}",
        f"correct {variable_of(settings, field)}, or set BKAPP_ITSM_SERVICE_ID",
    )


def _missing(number: str, settings: Settings, listed: Sequence[ServiceRow]) -> Finding:
    known = ", ".join(f"{row.id} {clean(row.name, limit=40)}" for row in listed[:_NAMES_TOLD])
    return problem(
        "gateway.service",
        f"there is no service of number {number}; the gateway lists: {known or 'none'}",
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
        hint = f", or BKAPP_ITSM_APPROVER_FIELD={people[0]} if that one takes the approvers" if people else ""
        yield warning(
            "gateway.form",
            f"the form also requires: {_fields(left)}",
            f"give these with each change, in its fields{hint}",
        )
    elif not wrong:
        yield ok("gateway.form", f"what the form requires is filled: {_fields(fields)}")


def _approval(roles: Sequence[ServiceRole]) -> Finding:
    if not roles:
        return warning(
            "gateway.approval",
            "nobody does a step of this service: a ticket without an approval step ends as approved by itself, and is "
            "not believed",
            "add an approval step to the service's flow in BK-ITSM",
        )
    steps = ", ".join(clean(role.name, limit=40) for role in roles[:_NAMES_TOLD])
    return ok("gateway.approval", f"steps that somebody does: {steps}")


def _fields(fields: Sequence[FormField]) -> str:
    return ", ".join(clean(f"{field.key} ({field.name})", limit=60) for field in fields[:_NAMES_TOLD])


def _names(rows: Sequence[ServiceRow]) -> str:
    return ", ".join(sorted({clean(row.name, limit=40) for row in rows})[:_NAMES_TOLD]) or "none"
