"""The delays of a BK-ITSM server, and the chances of its oddities."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import attrs

from itsm_workflow.runtime.arguments import check_chance, check_seconds
from itsm_workflow.sandbox.connection import PAGES_HOST

if TYPE_CHECKING:
    from random import Random

_LONGEST = 10 * 365 * 24 * 3600.0
"""The longest delay in seconds."""


class BehaviourOptions(TypedDict, total=False):
    """The numbers of a `Behaviour`; a missing number has its default."""

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
    """The properties that differ between BK-ITSM servers, or change over time.

    The default delays are those of an idle server; `LOADED` has those of a server under load.

    Attributes:
        start_delay: the minimum seconds from a create to its approval step; the submit step appears after half of them.
        start_spread: the largest random addition in seconds, drawn for each ticket.
        decision_delay: the minimum seconds from the "success" of a decision to its effect and callback.
        decision_spread: the largest random addition in seconds, drawn for each decision.
        revive_chance: the chance, 0 to 1, that a withdrawal before the flow starts leaves a running approval step.
        early_refusal_chance: the chance, 0 to 1, that a withdrawal before the flow starts is refused.
        race_window: the seconds within which two requests count as simultaneous, so that both are answered from the
            state before either of them; 0 for a server without races.
        jam_chance: the chance, 0 to 1, that two simultaneous approvals by one person leave a ticket that cannot be
            decided.
        api_account: the account that may withdraw every ticket.
        site: the address in ticket URLs, without a trailing slash.
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

    def __attrs_post_init__(self) -> None:
        """Check the numbers.

        Raises:
            TypeError: A value is not a number.
            ValueError: A number is below 0, NaN or too large.
        """
        for name in ("start_delay", "start_spread", "decision_delay", "decision_spread", "race_window"):
            check_seconds(f"Behaviour({name}=...)", getattr(self, name), most=_LONGEST)
        for name in ("revive_chance", "early_refusal_chance", "jam_chance"):
            check_chance(f"Behaviour({name}=...)", getattr(self, name))

    def draw_start(self, random: Random) -> float:
        """Return the seconds from one create to its approval step. Without a spread, no random number is drawn."""
        return self.start_delay + (random.uniform(0, self.start_spread) if self.start_spread else 0.0)

    def draw_decision(self, random: Random) -> float:
        """Return the seconds from one decision to its effect. Without a spread, no random number is drawn."""
        return self.decision_delay + (random.uniform(0, self.decision_spread) if self.decision_spread else 0.0)


LOADED = BehaviourOptions(start_delay=16.0, start_spread=9.0, decision_delay=0.65, decision_spread=1.15)
"""A server under load: 16 to 25 seconds until an approval step exists, 0.65 to 1.8 from a decision to its effect.

Use it as ``Sandbox(**LOADED)``. A caller that waits for an approval step needs a long time-out, such as
`Sandbox.approve` with ``timeout=30``.
"""
