"""The first lines of a picture: what a change asks for, where it stands, and its names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.machine import evidence as ev
from itsm_workflow.pictures import times
from itsm_workflow.pictures.measure import visible
from itsm_workflow.pictures.words import attention_text, phrase
from itsm_workflow.secrets import without_secrets

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from itsm_workflow.pictures.reading import Step


def summary(steps: Sequence[Step], language: str, zone: dt.tzinfo) -> Sequence[str]:
    """Return the title, the sentence about the present state and attention, and the names of a change."""
    forms = [one.entry.evidence.form for one in steps if isinstance(one.entry.evidence, ev.Drafted)]
    tickets = [one.entry.evidence.sn for one in steps if isinstance(one.entry.evidence, ev.TicketConfirmed)]
    change_id = steps[-1].entry.change_id
    entered = next(one.entry for one in reversed(steps) if one.is_move)
    now = phrase("now", language, steps[-1].state, times.day_and_second(entered.at, zone))
    if steps[-1].after is not None:
        now += " · " + attention_text(steps[-1].after, language)
    names = [change_id, *([phrase("ticket", language, tickets[-1])] if tickets else [])]
    if forms:
        names.append(phrase("applicant", language, forms[-1].applicant))
    return [visible(without_secrets(forms[-1].title)) if forms else change_id, now, " · ".join(names)]
