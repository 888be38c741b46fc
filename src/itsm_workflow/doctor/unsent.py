"""The creates that were not sent or were refused by the API gateway, compared with the calls of the doctor.

The doctor files nothing, so its own calls do not show that only the create is refused. The stored changes do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.change import AttentionReason, Phase
from itsm_workflow.doctor.findings import warning
from itsm_workflow.doctor.refusals import ADDRESS
from itsm_workflow.errors import StorageCorrupt, StorageSchemaError
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.protocol import Order, Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow.doctor.findings import Finding
    from itsm_workflow.storage.protocol import Row, StorageBackend

MOST_READ = 100
"""The number of changes that are read of those with attention, and of those that are due first."""

_REFUSED = re.compile(r"(?P<call>\w+): .*\(code (?P<code>1640[134][0-9]{2})\b")
_NO_INTERFACE = "16404"


def unsent_problems(storage: StorageBackend) -> Mapping[str, str]:
    """Return the newest problem of each open change whose create was not sent, by id, the last updated one first.

    At most `MOST_READ` changes are read that have attention for it, and as many that are due first: a create that was
    not sent is due again within an hour. Damaged changes are left out, since another finding lists them.
    """
    queries = (
        Query(attention=(AttentionReason.UNSENT,), limit=MOST_READ),
        Query(order=Order.DUE_AT, limit=MOST_READ),
    )
    rows = {row.id: row for query in queries for row in storage.find(query).rows if row.open_subject is not None}
    newest_first = sorted(rows.values(), key=lambda row: row.updated_at, reverse=True)
    return {row.id: problem for row in newest_first if (problem := _problem_of(row))}


def unsent_findings(problems: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding if creates failed although the gateway accepted the calls of the doctor.

    Args:
        problems: The result of `unsent_problems`.
    """
    refused = {change: match for change, text in problems.items() if (match := _REFUSED.match(text))}
    for change, first in refused.items():
        codes = ", ".join(sorted({match["code"] for match in refused.values()}))
        yield warning(
            "gateway.create",
            f"{first['call']} was refused with {codes}, other calls are accepted (change {change})",
            ADDRESS
            if first["code"].startswith(_NO_INTERFACE)
            else "check the app's permission for this API in the developer centre, and that the process that files has "
            f"this app code and app secret; then `itsm-workflow settle {change}` tries immediately",
        )
        return
    for change, text in problems.items():
        yield warning(
            "gateway.create",
            f"change {change} was not filed, but calls are accepted now; its last problem: {clean(text)}",
            f"`itsm-workflow settle {change}` tries immediately; if it fails again, check that the process that files "
            "has these settings and this network",
        )
        return


def _problem_of(row: Row) -> str:
    try:
        attempt = Codec({}).read(row).change.attempt
    except (StorageCorrupt, StorageSchemaError):
        return ""
    is_unsent = attempt is not None and attempt.phase is Phase.QUEUED and attempt.unsent > 0
    return attempt.problem if attempt is not None and is_unsent else ""
