"""The path of callbacks from the gateway to the workflow, with its faults."""

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


class CallbackPath:
    """Holds callbacks until their fate is drawn.

    Args:
        gateway: The gateway that sends them.
        receive: The receiver.
        stored: Returns all stored data, to detect whether a callback changed something.
    """

    def __init__(self, gateway: LedgerGateway, receive: Receive, stored: Callable[[], object]) -> None:
        self._gateway = gateway
        self._receive = receive
        self._stored = stored
        self._waiting: list[Outgoing] = []

    def add(self, sent: Iterable[Outgoing]) -> None:
        """Add the callbacks that an act in the ticket system caused."""
        self._waiting += sent

    def handle(self, delivery: DrawnCallback, forged: Mapping[str, object], change_id: str) -> None:
        """Give a callback its fate.

        Args:
            delivery: The callback, and its fate.
            forged: The body of a forged callback.
            change_id: The change that the forged callback names.

        Raises:
            AssertionError: A forged callback was accepted, or a repeated one changed something.
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
            assert before == self._stored(), "a callback that arrived twice changed something the second time"

    def _forge(self, said: Mapping[str, object], change_id: str) -> None:
        before = self._stored()
        body = json.dumps(said).encode()
        for headers in ({}, {HEADER: "A" * 43}):
            answer: CallbackResponse = self._receive(
                method="POST", path=f"{PATH}{change_id}/1/", headers=headers, body=body
            )
            assert answer.status == 401, f"a callback without our credential was answered with {answer.status}"
        assert before == self._stored(), "a callback without our credential changed something"
