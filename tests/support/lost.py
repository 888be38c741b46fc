"""Creates whose outcome is unknown, and tickets that appear without a create of the workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.gateway.bk_itsm.form import approval_content
from itsm_workflow.sandbox import Draft, FieldSpec, Service
from itsm_workflow.sandbox.services import TITLE
from tests.support.office import SUBJECT, asked

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.sandbox import Armed
    from tests.support.office import Office


STRICT_SERVICE = Service(
    id=77, name="strict", form=(TITLE, FieldSpec(id=90, key="cluster", type="STRING", name="集群"))
)
"""A service whose form has a required field: the server refuses a ticket without it."""


def lose_every_answer(office: Office, kind: str, *, processed: bool) -> Armed:
    """Let every create fail, or lose its answer."""
    faults = office.sandbox.faults
    if kind == "reset":
        return faults.reset("create_ticket", always=True)
    if kind == "html":
        return faults.html("create_ticket", processed=processed, always=True)
    if kind == "lost":
        return faults.lose_answer("create_ticket", always=True)
    return faults.status("create_ticket", int(kind), processed=processed, always=True)


def apply_in_vain(office: Office, workflow: Workflow) -> ChangeRequest:
    """Apply with a create that is never carried out, and look it up until the change has attention."""
    lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    use_up_lookups(office, workflow)
    office.sandbox.faults.clear()
    return workflow.get(change.id)


def use_up_lookups(office: Office, workflow: Workflow) -> None:
    """Reconcile after each wait of the look-up schedule."""
    for wait in workflow.policy.lookups:
        office.pass_time(wait.total_seconds())
        workflow.reconcile()


def file_behind_our_back(
    office: Office,
    change: ChangeRequest,
    *,
    creator: str = "alice",
    key: str = "",
    approvers: tuple[str, ...] | None = None,
    service: int = 2,
    content: str = "",
) -> int:
    """File a ticket like the change's own, except for the given values, in the ticket system; return its id."""
    key, form = key or change.expect_attempt().key, change.form
    people = form.approvers if approvers is None else approvers
    title = f"{form.title} #{key[-8:]}"
    values = {"title": title, "APPROVER": ",".join(people), "APPROVAL_CONTENT": content or approval_content(form)}
    with office.sandbox.locked() as ledger:
        wanted = ledger.services[service]
        draft = Draft(title=title, creator=creator, service=wanted, values=values, approvers=people, tag=key)
        return ledger.file(draft).id
