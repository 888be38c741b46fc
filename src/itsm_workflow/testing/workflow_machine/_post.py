"""The way of callbacks from the gateway to us, and all that befalls them there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.callbacks.signer import HEADER, PATH
from itsm_workflow.sandbox.ticket import CallbackOutcome
from itsm_workflow.testing.ledger_gateway import as_request
from itsm_workflow.testing.strategies import Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from itsm_workflow.callbacks.parse import CallbackResponse, Receive
    from itsm_workflow.sandbox.ticket import Outgoing
    from itsm_workflow.testing.ledger_gateway import LedgerGateway
    from itsm_workflow.testing.strategies import DrawnCallback


class Post:
    """Holds callbacks until somebody says what becomes of them.

    Args:
        gateway: Where they come from.
        receive: Where they go to.
        stored: Returns all that is stored, to see whether a callback changed something.
    """

    def __init__(self, gateway: LedgerGateway, receive: Receive, stored: Callable[[], object]) -> None:
        self._gateway = gateway
        self._receive = receive
        self._stored = stored
        self._waiting: list[Outgoing] = []

    def add(self, sent: Iterable[Outgoing]) -> None:
        """Take callbacks that an act of the ticket system caused."""
        self._waiting += sent

    def handle(self, delivery: DrawnCallback, forged: Mapping[str, object], change_id: str) -> None:
        """Let a callback meet its fate.

        Args:
            delivery: Which, and what becomes of it.
            forged: What a callback says that nobody sent.
            change_id: The change that it claims to be about.

        Raises:
            AssertionError: A forged callback was believed, or a repeated one changed something.
        """
        self._waiting += self._gateway.run_due()
        if delivery.fate is Fate.FORGED:
            self._forge(forged, change_id)
        if not self._waiting:
            return
        outgoing = self._waiting[delivery.place % len(self._waiting)]
        if delivery.fate is Fate.TAMPERED:
            said = {
                **outgoing.body,
                "current_status": "FINISHED",
                "approve_result": not outgoing.body["approve_result"],
            }
            self._receive(**as_request(attrs.evolve(outgoing, body=said)))
            return
        self._waiting.remove(outgoing)
        if delivery.fate is Fate.LATE:
            self._waiting.append(outgoing)
        elif delivery.fate in {Fate.LOST, Fate.UNDELIVERED}:
            outcome = CallbackOutcome.LOST if delivery.fate is Fate.LOST else CallbackOutcome.FAILED
            self._gateway.ledger.record_delivery(outgoing, outcome)
        else:
            self._deliver(outgoing, twice=delivery.fate is Fate.DOUBLED)

    def _deliver(self, outgoing: Outgoing, *, twice: bool) -> None:
        known = self._gateway.hand_over(outgoing, self._receive)
        if twice and known:
            before = self._stored()
            self._receive(**as_request(outgoing))
            assert before == self._stored(), "a callback that came twice changed something the second time"

    def _forge(self, said: Mapping[str, object], change_id: str) -> None:
        before = self._stored()
        body = json.dumps(said).encode()
        for headers in ({}, {HEADER: "A" * 43}):
            answer: CallbackResponse = self._receive(
                method="POST", path=f"{PATH}{change_id}/1/", headers=headers, body=body
            )
            assert answer.status == 401, f"a callback without our credential was answered {answer.status}"
        assert before == self._stored(), "a callback without our credential changed something"
