"""The collector workflow once more, written by hand from the architecture: where each trigger leads from each state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STATES = ("draft", "applying", "pending", "failed_callback", "approved", "rejected")
FINAL = {"approved", "rejected"}

_STAYS = "="
_ANY = dict.fromkeys(STATES, _STAYS)

LEADS: Mapping[str, Mapping[str, str]] = {
    "revise": {"draft": _STAYS},
    "submit": {"draft": "applying"},
    "renumber": {"applying": _STAYS, "pending": _STAYS},
    "mark_sending": {"applying": _STAYS},
    "mark_unsent": {"applying": _STAYS},
    "mark_unknown": {"applying": _STAYS},
    "note_lookup": {"applying": _STAYS},
    "record_ticket": {"applying": "pending", "pending": _STAYS, "failed_callback": _STAYS},
    "refuse": {"applying": "draft"},
    "resend": {"applying": _STAYS},
    "receive_callback": {state: _STAYS for state in STATES if state != "draft"},
    "fail_callback": {"pending": "failed_callback"},
    "resume": {"failed_callback": "pending", "pending": _STAYS},
    "suspect_ending": {"pending": _STAYS, "failed_callback": _STAYS},
    "approve": {"pending": "approved", "failed_callback": "approved", "approved": _STAYS},
    "attest_approval": {"pending": "approved", "failed_callback": "approved"},
    "reject": {"pending": "rejected", "failed_callback": "rejected", "rejected": _STAYS},
    "record_contradiction": {"draft": _STAYS, "approved": _STAYS, "rejected": _STAYS},
    "request_withdrawal": {"applying": _STAYS, "pending": _STAYS, "failed_callback": _STAYS},
    "accept_after_withdrawal": {"pending": _STAYS, "failed_callback": _STAYS},
    "abandon": {state: "rejected" for state in STATES if state not in FINAL},
    "raise_attention": _ANY,
    "clear_attention": _ANY,
    "start_effect": _ANY,
    "deliver_effect": _ANY,
    "fail_effect": _ANY,
    "retry_effect": _ANY,
}
"""By trigger and state: the state it leads to, or ``=`` where it only adds facts."""

PAIRS = [(state, trigger) for state in STATES for trigger in LEADS]
