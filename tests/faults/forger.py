"""An applicant who files another ticket with the key of her change, whose create was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.gateway.bk_itsm.form import approval_content, full_title
from itsm_workflow.sandbox import Draft

if TYPE_CHECKING:
    from random import Random

    from itsm_workflow import ChangeRequest
    from itsm_workflow.sandbox.ticket import Ticket
    from itsm_workflow.testing.ledger_gateway import LedgerGateway

PARTS = ("service", "title", "approvers", "content", "creator")
"""The parts that the applicant changes. The last one needs a second person."""


def forge(gateway: LedgerGateway, change: ChangeRequest, random: Random) -> tuple[Ticket, set[str]]:
    """File a ticket like the change's own except for one or more parts; return it and these parts."""
    wrong = {part for part in PARTS if random.random() < 0.4} or {random.choice(PARTS)}
    form, attempt = change.form, change.expect_attempt()
    people = ("alice",) if "approvers" in wrong else form.approvers
    title = full_title(form, attempt.key, gateway.settings)
    if "title" in wrong:
        title = f"not {title}"
    content = "something else" if "content" in wrong else approval_content(form)
    draft = Draft(
        title=title,
        creator="mallory" if "creator" in wrong else attempt.creator,
        service=gateway.ledger.services[9 if "service" in wrong else 2],
        values={"title": title, "APPROVER": ",".join(people), "APPROVAL_CONTENT": content},
        approvers=people,
        tag=attempt.key if random.random() < 0.5 or "creator" in wrong else None,
    )
    return gateway.ledger.file(draft), wrong
