"""How a BK-ITSM behaves: how long it takes, and how likely its oddities are."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import attrs

from itsm_workflow.sandbox.connection import PAGES_HOST

if TYPE_CHECKING:
    from random import Random


class Ways(TypedDict, total=False):
    """The numbers of a `Behaviour`; what is left out is as there."""

    start_delay: float
    start_spread: float
    decision_delay: float
    decision_spread: float
    revive_chance: float
    early_refusal_chance: float
    race_window: float
    jam_chance: float


@attrs.frozen(kw_only=True)
class Behaviour:
    """What differs between one BK-ITSM and another, and between one moment and the next.

    The delays are those of a server that has nothing else to do; `LOADED` has those of one that does.

    Attributes:
        start_delay: seconds from a create to its approval step (the submit step shows at half of it), at least.
        start_spread: seconds that may come on top, drawn anew for each ticket.
        decision_delay: seconds from a decision's "success" to its effect and callback, at least.
        decision_spread: seconds that may come on top, drawn anew for each decision.
        revive_chance: how likely a withdrawal before the flow has started leaves an approval step that runs, 0 to 1.
        early_refusal_chance: how likely a withdrawal before the flow has started is refused, 0 to 1.
        race_window: seconds within which two requests count as sent at the same instant, so that both are answered
            from the state before either; 0 for a server that is never raced.
        jam_chance: how likely two simultaneous approvals by one person leave a ticket that nobody can decide, 0 to 1.
        api_account: the account that may withdraw anybody's ticket.
        site: the address in ticket URLs, without a slash at its end.
    """

    start_delay: float = 0.95
    start_spread: float = 0.0
    decision_delay: float = 0.65
    decision_spread: float = 0.0
    revive_chance: float = 1.0
    early_refusal_chance: float = 0.0
    race_window: float = 0.0
    jam_chance: float = 0.0
    api_account: str = "admin"
    site: str = f"http://{PAGES_HOST}"

    def draw_start(self, random: Random) -> float:
        """Return the seconds from one create to its approval step. Without a spread, nothing is drawn."""
        return self.start_delay + (random.uniform(0, self.start_spread) if self.start_spread else 0.0)

    def draw_decision(self, random: Random) -> float:
        """Return the seconds from one decision to its effect. Without a spread, nothing is drawn."""
        return self.decision_delay + (random.uniform(0, self.decision_spread) if self.decision_spread else 0.0)


LOADED = Ways(start_delay=16.0, start_spread=9.0, decision_delay=0.65, decision_spread=1.15)
"""A server under load: 16 to 25 seconds until an approval step is there, 0.65 to 1.8 from a decision to its effect.

``Sandbox(**LOADED)``; whoever waits for its approval steps must have the patience, as `Sandbox.approve` with
``timeout=30``.
"""
