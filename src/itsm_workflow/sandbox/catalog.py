"""The endpoints about the services with which tickets can be filed. Page parameters are ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.sandbox.create_form import find_service, read_id
from itsm_workflow.sandbox.ledger import APPROVAL_STEP, SUBMIT_STEP
from itsm_workflow.sandbox.refusals import NO_OBJECT, Refusal, unexpected
from itsm_workflow.sandbox.services import CATALOGS

if TYPE_CHECKING:
    from itsm_workflow.sandbox.ledger import Ledger
    from itsm_workflow.sandbox.request import Request
    from itsm_workflow.sandbox.services import Catalog, FieldSpec, Service

DEFAULT_PROJECT = "0"


def get_services(ledger: Ledger, request: Request) -> object:
    """Return the services that match every given filter."""
    asked = request.parameters
    catalog = read_id(asked["catalog_id"]) if asked.get("catalog_id") else None
    if asked.get("project_key", DEFAULT_PROJECT) != DEFAULT_PROJECT:
        return []
    role = asked.get("display_role")
    return [
        {"id": service.id, "name": service.name, "service_type": service.service_type, "desc": service.desc}
        for service in ledger.services.values()
        if catalog in {None, service.catalog_id}
        and asked.get("service_type") in {None, "", service.service_type}
        and asked.get("display_type") in {None, "", service.display_type}
        and (not role or f",{role}," in service.display_role)
    ]


def get_service_detail(ledger: Ledger, request: Request) -> object:
    """Return one service with the form of its first step."""
    service = find_service(request.parameters.get("service_id"), ledger.services)
    if service is None:
        text = "查找对象不存在"
        raise Refusal(NO_OBJECT, text)
    return {
        "service_id": service.id,
        "workflow_id": service.workflow_id,
        "name": service.name,
        "service_type": service.service_type,
        "desc": service.desc,
        "fields": [_form_field(field) for field in service.form],
    }


def get_service_catalogs(_ledger: Ledger, request: Request) -> object:
    """Return the catalogue tree."""
    if request.parameters.get("project_key", DEFAULT_PROJECT) != DEFAULT_PROJECT:
        return []
    return [_branch(CATALOGS, 0)]


def get_service_roles(ledger: Ledger, request: Request) -> object:
    """Return the users who process each step of a service; the submit step only with ``all=1``."""
    asked = request.parameters
    service = find_service(asked.get("service_id"), ledger.services)
    if service is None:
        text = "Service matching query does not exist."
        raise unexpected(text)
    roles = [_approval_role(service)] if service.approval else []
    if asked.get("all", "0").isdigit() and int(asked.get("all", "0")):
        roles.insert(0, _role(service.submit_state, SUBMIT_STEP, "", "OPEN"))
    return roles


def _approval_role(service: Service) -> dict[str, Any]:
    if any(field.key == "APPROVER" for field in service.form):
        return _role(service.approval_state, APPROVAL_STEP, "APPROVER", "VARIABLE")
    return _role(service.approval_state, APPROVAL_STEP, ",".join(service.approvers), "PERSON")


def _role(state: int, name: str, processors: str, kind: str) -> dict[str, Any]:
    return {"id": state, "name": name, "processors": processors, "processors_type": kind, "sign_type": "or"}


def _form_field(field: FieldSpec) -> dict[str, Any]:
    return {
        "id": field.id,
        "key": field.key,
        "type": field.type,
        "default": "",
        "name": field.name,
        "desc": field.desc,
        "choice": field.shown_choices,
        "layout": "COL_12",
        "source_type": field.source,
        "source_uri": "",
        "api_instance_id": 0,
        "api_info": {},
        "kv_relation": {},
        "validate_type": "REQUIRE" if field.required else "OPTION",
        "regex": "EMPTY" if field.shared else "",
        "regex_config": {},
        "custom_regex": "",
        "meta": {},
        "show_type": 1,
        "show_conditions": {},
    }


def _branch(catalog: Catalog, level: int) -> dict[str, Any]:
    return {
        "id": catalog.id,
        "key": catalog.key,
        "name": catalog.name,
        "level": level,
        "desc": "",
        "children": [_branch(child, level + 1) for child in catalog.children],
    }
