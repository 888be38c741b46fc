"""The shapes of the ``data`` key: one function for each endpoint that shows a ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.sandbox.ledger import APPROVAL_STEP, SUBMIT_STEP
from itsm_workflow.sandbox.services import FieldSpec
from itsm_workflow.sandbox.ticket import SHOWN, FlowPhase, Status
from itsm_workflow.sandbox.times import query_text

if TYPE_CHECKING:
    from itsm_workflow.sandbox.ledger import Ledger
    from itsm_workflow.sandbox.services import Service
    from itsm_workflow.sandbox.ticket import Decision, LogLine, Ticket

VERDICTS = {"true": "通过", "false": "拒绝"}
_TABLE = (
    ("impact", "影响范围", "请选择影响范围"),
    ("urgency", "紧急程度", "请选择紧急程度"),
    ("priority", "优先级", "请选择优先级"),
)


def desk_url(ledger: Ledger, ticket: Ticket) -> str:
    """Return the address of a ticket's page for a desktop browser."""
    return f"{ledger.behaviour.site}/#/ticket/detail?id={ticket.id}"


def frame_url(ledger: Ledger, ticket: Ticket) -> str:
    """Return the address of a ticket's page for embedding."""
    return f"{ledger.behaviour.site}/#/ticket/detail-iframe?id={ticket.id}"


def created(ledger: Ledger, ticket: Ticket) -> dict[str, Any]:
    """Return a ticket as create_ticket shows it."""
    return {"sn": ticket.sn, "id": ticket.id, "ticket_url": desk_url(ledger, ticket)}


def status(ledger: Ledger, ticket: Ticket) -> dict[str, Any]:
    """Return a ticket as get_ticket_status shows it, without approve_result."""
    steps = _steps(ticket)
    for step in steps:
        submit = step["state_id"] == ticket.service.submit_state
        step["fields"] = (
            [_spec(ticket.service, field) for field in ticket.service.form]
            if submit
            else approval_fields(ledger, ticket.service)
        )
        step["operations"] = [_operation("TRANSITION", "提交"), _operation("SUSPEND", "挂起")]
    return {
        "ticket_url": desk_url(ledger, ticket),
        "iframe_ticket_url": frame_url(ledger, ticket),
        "operations": _operations(ticket),
        "current_status": ticket.status.value,
        "current_steps": steps,
        "is_commented": False,
    }


def result(ledger: Ledger, ticket: Ticket) -> dict[str, Any]:
    """Return a ticket as ticket_approval_result shows it."""
    return {
        "sn": ticket.sn,
        "title": ticket.draft.title,
        "ticket_url": desk_url(ledger, ticket),
        "current_status": ticket.status.value,
        "updated_by": ",".join(ticket.updated_by),
        "update_at": query_text(ticket.update_at),
        "approve_result": ticket.approve_result,
    }


def info(ledger: Ledger, ticket: Ticket) -> dict[str, Any]:
    """Return a ticket as get_ticket_info shows it, the only endpoint with form values and dynamic fields."""
    return {
        "id": ticket.id,
        "catalog_id": ticket.service.catalog_id,
        "service_id": ticket.service.id,
        "flow_id": ticket.service.flow_id,
        "sn": ticket.sn,
        "title": ticket.draft.title,
        "current_status": ticket.status.value,
        "current_steps": _steps(ticket),
        **_common(ticket),
        "fields": _info_fields(ledger, ticket),
        "iframe_ticket_url": frame_url(ledger, ticket),
        "ticket_url": desk_url(ledger, ticket),
    }


def listed(ledger: Ledger, ticket: Ticket) -> dict[str, Any]:
    """Return a ticket as an item of get_tickets."""
    return {
        "id": ticket.id,
        "sn": ticket.sn,
        "title": ticket.draft.title,
        "catalog_id": ticket.service.catalog_id,
        "service_id": ticket.service.id,
        "service_type": ticket.service.service_type,
        "flow_id": ticket.service.flow_id,
        "current_status": ticket.status.value,
        **_common(ticket),
        "ticket_url": desk_url(ledger, ticket),
        "iframe_ticket_url": frame_url(ledger, ticket),
    }


def listed_for(ticket: Ticket, user: str) -> dict[str, Any]:
    """Return a ticket as an item of get_tickets_by_user, the only endpoint that returns ``meta``."""
    service = ticket.service
    hidden = {"callback_url", "headers"}
    acts = user in ticket.processors and not ticket.ended
    step = {
        "id": ticket.id * 2,
        "tag": "DEFAULT",
        "name": APPROVAL_STEP,
        "state_id": service.approval_state,
        "type": "APPROVAL",
    }
    return {
        "sn": ticket.sn,
        "id": ticket.id,
        "title": ticket.draft.title,
        "service_id": service.id,
        "service_type": service.service_type,
        "meta": {name: value for name, value in ticket.draft.meta.items() if name not in hidden},
        "bk_biz_id": -1,
        "current_status": ticket.status.value,
        "create_at": query_text(ticket.created_at),
        "creator": ticket.draft.creator,
        "is_supervise_needed": False,
        "flow_id": service.flow_id,
        "supervise_type": "EMPTY",
        "supervisor": "",
        "project_key": "0",
        "current_processors": f",{','.join(ticket.processors)}," if ticket.processors else "",
        "service_name": service.name,
        "current_status_display": SHOWN[ticket.status],
        "current_steps": [step] if ticket.step_running else [],
        "priority_name": "--",
        "can_comment": False,
        "can_operate": acts,
        "waiting_approve": acts,
        "followers": [],
        "comment_id": ticket.comment_id,
        "can_supervise": False,
        "can_withdraw": user == ticket.draft.creator and not ticket.ended,
        "sla": [],
        "sla_color": "",
    }


def logs(ledger: Ledger, ticket: Ticket, *, detailed: bool) -> dict[str, Any]:
    """Return a ticket as get_ticket_logs shows it.

    Args:
        ledger: the ledger that stores the ticket.
        ticket: the ticket.
        detailed: whether each line has the form of its step (``show_type=complex``).
    """
    return {
        "sn": ticket.sn,
        "title": ticket.draft.title,
        "create_at": query_text(ticket.created_at),
        "creator": ticket.draft.creator,
        "logs": [_log(ledger, ticket, line, detailed=detailed) for line in ticket.logs],
    }


def approval_fields(ledger: Ledger, service: Service) -> list[dict[str, Any]]:
    """Return the three fields of an approval step, whose keys differ between installations."""
    verdict, optional, required = ledger.step_keys(service)
    choice = [{"key": key, "name": name} for key, name in VERDICTS.items()]
    state = service.approval_state
    base = service.form[0].id + 3
    return [
        {
            **_field(FieldSpec(id=base, key=verdict, type="RADIO", name="审批意见"), regex="EMPTY"),
            "choice": choice,
            "meta": {"code": "APPROVE_RESULT"},
            **_place(service, state, "CUSTOM"),
        },
        {
            **_field(FieldSpec(id=base + 1, key=optional, type="TEXT", name="备注", required=False), regex="EMPTY"),
            **_place(service, state, "CUSTOM"),
        },
        {
            **_field(FieldSpec(id=base + 2, key=required, type="TEXT", name="备注"), regex="EMPTY"),
            **_place(service, state, "CUSTOM"),
        },
    ]


def _spec(service: Service, field: FieldSpec) -> dict[str, Any]:
    place = _place(service, "" if field.shared else service.submit_state, "TABLE" if field.shared else "CUSTOM")
    return {**_field(field, regex="EMPTY" if field.shared else ""), **place}


def _field(field: FieldSpec, *, regex: str) -> dict[str, Any]:
    return {
        "id": field.id,
        "is_readonly": False,
        "source_type": field.source,
        "source_uri": "",
        "api_instance_id": 0,
        "type": field.type,
        "key": field.key,
        "name": field.name,
        "validate_type": "REQUIRE" if field.required else "OPTION",
        "regex": regex,
        "regex_config": {},
        "custom_regex": "",
        "desc": field.desc,
        "choice": field.shown_choices,
        "meta": {},
    }


def _place(service: Service, state: int | str, source: str) -> dict[str, Any]:
    return {"workflow_id": service.workflow_id, "state_id": state, "source": source}


def _operation(key: str, name: str) -> dict[str, Any]:
    return {"key": key, "name": name, "can_operate": True}


def _operations(ticket: Ticket) -> list[dict[str, Any]]:
    if ticket.ended:
        return []
    second = ("UNSUSPEND", "恢复") if ticket.status is Status.SUSPENDED else ("SUSPEND", "挂起")
    return [_operation("WITHDRAW", "撤单"), _operation(*second)]


def _steps(ticket: Ticket) -> list[dict[str, Any]]:
    service = ticket.service
    if ticket.phase is FlowPhase.APPROVING:
        name, state, kind, people = APPROVAL_STEP, service.approval_state, "PERSON", ",".join(ticket.processors)
    elif ticket.phase is FlowPhase.SUBMITTING and not ticket.ended:
        name, state, kind, people = SUBMIT_STEP, service.submit_state, "OPEN", ""
    else:
        return []
    return [
        {
            "name": name,
            "state_id": state,
            "status": "RUNNING",
            "action_type": "TRANSITION",
            "tag": "DEFAULT",
            "processors_type": kind,
            "processors": people,
        }
    ]


def _common(ticket: Ticket) -> dict[str, Any]:
    return {
        "comment_id": ticket.comment_id,
        "is_commented": False,
        "updated_by": ",".join(ticket.updated_by),
        "update_at": query_text(ticket.update_at),
        "end_at": query_text(ticket.end_at),
        "creator": ticket.draft.creator,
        "create_at": query_text(ticket.created_at),
        "bk_biz_id": -1,
    }


@attrs.frozen
class _Row:
    """One field with its value, before it has a number."""

    key: str
    type: str
    name: str
    value: Any
    desc: str = ""
    display: str | None = None

    def shown(self, number: int) -> dict[str, Any]:
        text = "" if self.value is None else str(self.value)
        return {
            "id": number,
            "key": self.key,
            "type": self.type,
            "name": self.name,
            "desc": self.desc,
            "value": self.value,
            "display_value": text if self.display is None else self.display,
        }


def _info_fields(ledger: Ledger, ticket: Ticket) -> list[dict[str, Any]]:
    dynamic = zip(ticket.dynamic_keys, ticket.draft.dynamic, strict=True)
    # The start of the flow fills in the status, like the steps.
    word = None if ticket.phase in {FlowPhase.CREATED, FlowPhase.SUBMITTING} and not ticket.ended else ticket.status
    rows = [
        *(_Row(key, kind, name, value) for key, (name, kind, value) in dynamic),
        _Row("title", "STRING", "标题", ticket.draft.title, "请输入标题"),
        *(_Row(key, "SELECT", name, None, desc) for key, name, desc in _TABLE),
        _Row(
            "current_status", "SELECT", "工单状态", word and word.value, "请选择工单状态", SHOWN[word] if word else ""
        ),
        *_form_rows(ticket),
        *_verdict_rows(ledger, ticket),
    ]
    return [row.shown(number) for number, row in enumerate(rows, start=ticket.first_field_id)]


def _form_rows(ticket: Ticket) -> list[_Row]:
    known = {field.key: field for field in ticket.service.form}
    rows = []
    for key, value in ticket.draft.values.items():
        field = known.get(key)
        rows.append(
            _Row(key, "TEXT", key, value) if field is None else _Row(key, field.type, field.name, value, field.desc)
        )
    return rows


def _verdict_rows(ledger: Ledger, ticket: Ticket) -> list[_Row]:
    if not ticket.service.approval:
        return []
    return _decision_rows(ledger, ticket.service, ticket.decided)


def _decision_rows(ledger: Ledger, service: Service, decided: Decision | None) -> list[_Row]:
    verdict, optional, required = ledger.step_keys(service)
    word = "false" if decided and not decided.approved else "true"
    return [
        _Row(verdict, "RADIO", "审批意见", word, "", VERDICTS[word]),
        _Row(optional, "TEXT", "备注", decided.remark if decided and decided.approved else None),
        _Row(required, "TEXT", "备注", decided.remark if decided and not decided.approved else None),
    ]


def _log(ledger: Ledger, ticket: Ticket, line: LogLine, *, detailed: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operator": line.operator,
        "operate_at": query_text(line.at),
        "message": line.message,
        "source": line.source,
    }
    if not detailed:
        return shown
    form: Any = {}
    if line.state_type == "NORMAL":
        form = [row.shown(number) for number, row in enumerate(_form_rows(ticket), start=ticket.first_field_id + 5)]
    elif line.state_type == "APPROVAL":
        decided = [] if line.decision is None else _decision_rows(ledger, ticket.service, line.decision)
        rows = [row for row in decided if row.value is not None]
        form = [row.shown(number) for number, row in enumerate(rows, start=ticket.service.form[0].id + 3)]
    return {**shown, "form_data": form, "from_state_type": line.state_type}
