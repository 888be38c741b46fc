"""What the loop asks about a change, what comes back, and what is fired for it."""

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
    """Create the ticket, once. Marked durably before."""

    number: int
    owner: str


@attrs.frozen(kw_only=True)
class Lookup:
    """Look for tickets that carry our key; with ``sn``, also for the ticket that a callback named."""

    sn: str | None = None


@attrs.frozen(kw_only=True)
class Read:
    """Read our ticket."""


@attrs.frozen(kw_only=True)
class Sweep:
    """Look at an ended change once more: read its ticket, and look for others that carry its key."""

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
    """What to ask, and what to fire in the commit that claims the asking.

    Attributes:
        question: The question, or None if what is fired is all.
        claim: What is fired before it is asked.
    """

    question: Question | None
    claim: tuple[Step, ...] = ()


# ---------------------------------------------------------------- answers


@attrs.frozen(kw_only=True)
class SendAnswer:
    """What came of a send.

    Attributes:
        found: The tickets that the look-up right after a refusal brought; None if it failed.
        at: When the answer came, by every clock at hand.
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
    """What a look-up brought.

    Attributes:
        found: The tickets, or None if the gateway could not be asked.
        at: When it was asked, by every clock at hand; None counts as the wall clock alone.
    """

    number: int
    found: Sequence[FoundTicket] | None
    channel: ev.Channel = ev.Channel.LOOKUP
    problem: str = ""
    at: Moment | None = None


@attrs.frozen(kw_only=True)
class ReadAnswer:
    """What the gateway said of our ticket; None: it could not be asked."""

    snapshot: ev.Snapshot | None


Answer = SendAnswer | LookupAnswer | ReadAnswer
