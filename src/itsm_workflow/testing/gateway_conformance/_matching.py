"""Promises about what a look-up compares: a ticket that differs is not ours, and an old or oddly named one is."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.gateway.checked import any_host, checked_found
from itsm_workflow.gateway.protocol import Created
from itsm_workflow.testing.gateway_conformance._aging import aged
from itsm_workflow.testing.gateway_conformance._promises import promise
from itsm_workflow.testing.gateway_conformance._trial import OTHER, asked, sent
from itsm_workflow.testing.gateway_conformance._verdicts import SkippedPromise, demand
from itsm_workflow.testing.gateway_conformance._wording import found_words

if TYPE_CHECKING:
    from itsm_workflow.testing.gateway_conformance._trial import Trial

_TITLES = ("开通 443 端口 – Grüße an die Nachtschicht", f"Open the ports of {'the shop and ' * 5}of the stock")
_AGE = dt.timedelta(days=2)

_OLDER = (dt.timedelta(minutes=14), dt.timedelta(days=1))
"""The ages of a ticket that is older than its submission. Clocks may differ by minutes, and offsets from 15 minutes."""


@promise("another ticket with our key is not ours")
def compared(trial: Trial) -> None:
    """The applicant can file one herself: each part is compared with what was sent."""
    criteria, ticket = trial.file(trial.request(title="Open port 443 of the shop for the release of this week"))
    form = criteria.form
    changed: dict[str, Any] = {
        "title": attrs.evolve(form, title="Grant me everything"),
        "last words of the title": attrs.evolve(form, title=f"{form.title[:-4]}year"),
        "title, in the case of its letters,": attrs.evolve(form, title=form.title.swapcase()),
        "approvers": attrs.evolve(form, approvers=("mallory",)),
        "approvers, without one of those who were sent,": attrs.evolve(form, approvers=(*form.approvers, OTHER)),
        "fields": attrs.evolve(form, fields={"name": "something else"}),
    }
    creator = attrs.evolve(criteria, attempt=attrs.evolve(criteria.attempt, creator="mallory"))
    differing = {
        **{
            f"the ticket's {part} differ from what was sent": attrs.evolve(criteria, form=other)
            for part, other in changed.items()
        },
        f"ticket {ticket.id} was filed by another user": creator,
    }
    for age in _OLDER:  # hours that a gateway drops with the offset of the server's time do not hide all of them
        after = criteria.attempt.submitted_at + age
        older = attrs.evolve(criteria, made_after=after)
        differing[f"ticket {ticket.id} is older than the submission, by {age}"] = older
    for what, differs in differing.items():
        for name, rows in {
            "find_by_key": trial.gateway.find_by_key(differs),
            "find_by_sn": trial.gateway.find_by_sn(ticket.sn, differs),
        }.items():
            demand(not [row for row in rows if row.is_ours], f"{what}, and {name} says it is ours")
    _asks_others_too(trial)


def _asks_others_too(trial: Trial) -> None:
    """A ticket with one more approver than was sent could be approved by that person.

    Tested if the ticket system takes another approver.
    """
    form = trial.system.form("Open a port that another person may approve, too")
    wider = trial.request(form=attrs.evolve(form, approvers=(*form.approvers, OTHER)))
    if trial.gateway.check_form(wider.form) or not isinstance(trial.create(wider), Created):
        return
    rows = trial.gateway.find_by_key(attrs.evolve(sent(wider), form=form))
    demand(
        not [row for row in rows if row.is_ours],
        f"the ticket asks {OTHER} besides the approvers who were sent, and find_by_key says it is ours",
    )


@promise("a title of any letters is filed and found whole")
def whole_titles(trial: Trial) -> None:
    """The title of a ticket is what the people who decide read. Tested with the titles that the gateway accepts."""
    tested = False
    for title in _TITLES:
        request = trial.request(title=title)
        if trial.gateway.check_form(request.form):
            continue
        tested = True
        criteria, ticket = trial.file(request)
        for name, rows in {
            "find_by_key": trial.gateway.find_by_key(criteria),
            "find_by_sn": trial.gateway.find_by_sn(ticket.sn, criteria),
        }.items():
            found = [row for row in checked_found(rows, any_host) if row.id == ticket.id]
            demand(
                found and all(row.is_ours and request.form.title in row.title for row in found),
                f"a ticket with the title {request.form.title!r} was filed, and {name} found {found_words(found)} with "
                f"the title {', '.join(repr(row.title) for row in found)}",
            )
    if not tested:
        raise SkippedPromise("check_form accepts none of the titles that the check would file")


@promise("a ticket is found by its key days later")
def found_when_old(trial: Trial) -> None:
    """A host that was down for days looks then. The proxy moves the times in requests and answers."""
    criteria, ticket = trial.file()
    attempt = attrs.evolve(criteria.attempt, submitted_at=criteria.attempt.submitted_at - _AGE)
    old = attrs.evolve(criteria, attempt=attempt, made_after=criteria.made_after - _AGE)
    with trial.during(aged(_AGE)):
        rows = asked("find_by_key", lambda: checked_found(trial.gateway.find_by_key(old), any_host))
    if rows is None:
        raise SkippedPromise("find_by_key raises if the times in the answers are moved")
    demand(
        [row.id for row in rows] == [ticket.id],
        f"ticket {ticket.id} was filed {_AGE.days} days ago, by the times in the answers, and find_by_key found "
        f"{found_words(rows)}",
    )
