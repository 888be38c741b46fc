"""The questions that the executor asks about a change, the answers, and the steps that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine import evidence as ev

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import Moment
    from itsm_workflow.gateway.protocol import CreateAnswer, FoundTicket


@attrs.frozen
class Step:
    """A trigger to fire, with its evidence."""

    trigger: str
    evidence: object


# ---------------------------------------------------------------- questions


@attrs.frozen(kw_only=True)
class Send:
    """Create the ticket, once. The send is marked durably before."""

    number: int
    owner: str


@attrs.frozen(kw_only=True)
class Lookup:
    """Search for tickets with the change's key; with ``sn``, also for the ticket that a callback named."""

    sn: str | None = None


@attrs.frozen(kw_only=True)
class Read:
    """Read the change's ticket."""


@attrs.frozen(kw_only=True)
class Sweep:
    """Look at an ended change again: read its ticket, and search for other tickets with its key."""

    read: bool
    lookup: bool


@attrs.frozen(kw_only=True)
class Deliver:
    """Deliver an effect. The delivery's number, its owner and the end of its claim are stored durably before."""

    effect: str
    name: str
    attempt: int
    owner: str


Question = Send | Lookup | Read | Sweep | Deliver


@attrs.frozen(kw_only=True)
class Plan:
    """A question, and the steps to fire in the commit that claims it.

    Attributes:
        question: The question, or None if only the steps are needed.
        claim: The steps to fire before the question is asked.
    """

    question: Question | None
    claim: tuple[Step, ...] = ()


@attrs.frozen
class Leave:
    """Leave the change as it is: only effects are due whose functions other processes have."""


# ---------------------------------------------------------------- answers


@attrs.frozen(kw_only=True)
class SendAnswer:
    """The outcome of a send.

    Attributes:
        found: The tickets that the look-up immediately after a refusal found; None if the look-up failed.
        at: The time of the answer, by every available clock.
    """

    number: int
    owner: str
    key: str
    creator: str
    answer: CreateAnswer
    found: Sequence[FoundTicket] | None = None
    at: Moment | None = None


@attrs.frozen(kw_only=True)
class LookupAnswer:
    """The result of a look-up.

    Attributes:
        found: The tickets, or None if the gateway failed.
        at: The time of the look-up, by every available clock; None counts as the wall clock alone.
    """

    number: int
    found: Sequence[FoundTicket] | None
    channel: ev.Channel = ev.Channel.LOOKUP
    problem: str = ""
    at: Moment | None = None


@attrs.frozen(kw_only=True)
class ReadAnswer:
    """The gateway's snapshot of the change's ticket; None if the gateway failed."""

    snapshot: ev.Snapshot | None


Answer = SendAnswer | LookupAnswer | ReadAnswer
