"""Trying a call again, as far as the client decides it; how patiently is `test_retry`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.retry import RetryPolicy, without_waiting
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayRefused
from tests.support.calls import client, desk, endpoint
from tests.support.fault_server import response

if TYPE_CHECKING:
    from itsm_workflow.bkapi.response import DataResponse

REFUSED = response({"result": False, "code": 3900022, "message": "没有\n单据", "data": None, "errors": {"sn": ["?"]}})
BUSY = response(b"", status="503 Busy")


class TestRetry:
    """Trying again, as far as a client decides it."""

    def test_the_call_beats_the_endpoint_beats_the_client(self) -> None:
        """Attempts: 4, 3, 2."""
        policies = [RetryPolicy(attempts=number, wait=False) for number in (2, 3, 4)]
        counts = []
        for of_call, of_endpoint in ((None, None), (None, policies[1]), (policies[2], policies[1])):
            with desk(BUSY, retry=policies[0]) as here:
                whole = here.client.call(endpoint(retry=of_endpoint), retry=of_call, raise_exception=False)
                assert not whole.is_success
                counts.append(len(here.raw))

        assert counts == [2, 3, 4]

    def test_waits_are_waited_for_by_the_client_s_own_sleep(self) -> None:
        """And drawn by its own chance."""
        waits: list[float] = []
        patient = RetryPolicy(attempts=3, first_wait=0.5, longest_wait=0.75)
        with desk(BUSY, BUSY, {"id": 1}, retry=patient, sleep=waits.append, draw=lambda bound: bound) as here:
            assert here.client.call(endpoint()) == {"id": 1}

        assert waits == [0.5, 0.75]

    def test_what_is_not_idempotent_is_sent_once(self) -> None:
        """Whatever the client's policy says."""
        with desk(BUSY, retry=RetryPolicy(attempts=5, wait=False)) as here:
            with pytest.raises(GatewayError):
                here.client.call(endpoint(idempotent=False))

            assert len(here.raw) == 1

    def test_asking_for_it_all_the_same_is_refused(self) -> None:
        """A second attempt might do it twice."""
        with pytest.raises(ValueError, match="not marked idempotent"):
            client().call(endpoint(idempotent=False), retry=RetryPolicy(attempts=2))

    def test_a_refusal_is_tried_again_where_the_list_says_so(self) -> None:
        """The list means what it says: nothing that is not on it is tried again."""
        listed = RetryPolicy(attempts=3, exceptions=(GatewayRefused,), statuses=frozenset(), wait=False)
        with desk(REFUSED, {"id": 1}) as here:
            assert here.client.call(endpoint(), retry=listed) == {"id": 1}
            assert len(here.raw) == 2
        with desk(BUSY) as here, pytest.raises(GatewayProtocolError):
            here.client.call(endpoint(), retry=listed)
        assert len(here.raw) == 1

    def test_a_result_that_is_not_yet_good_is_tried_again(self) -> None:
        """By a check of the whole response; each answer is read once, so that a hook sees it once."""
        seen: list[object] = []

        def after(envelope: dict[str, Any]) -> dict[str, Any]:
            seen.append(envelope["data"])
            return envelope

        def not_ready(whole: DataResponse[Any]) -> bool:
            return whole.data != "ready"

        policy = RetryPolicy(attempts=5, results=(not_ready,), wait=False)
        with desk("soon", "soon", "ready") as here:
            assert here.client.call(endpoint(after_request=after), retry=policy) == "ready"
        assert seen == ["soon", "soon", "ready"]

    def test_the_log_says_which_attempt_and_why(self, caplog: pytest.LogCaptureFixture) -> None:
        """One line per attempt that is not the last."""
        caplog.set_level("INFO", logger="itsm_workflow.gateway.retry")

        def not_ready(whole: DataResponse[Any]) -> bool:
            return whole.data == "soon"

        policy = RetryPolicy(attempts=4, results=(not_ready,), exceptions=(GatewayRefused,))
        with desk(BUSY, REFUSED, "soon", "ready") as here, without_waiting():
            here.client.call(endpoint(), retry=policy, context=RequestContext(request_id="r-1"))

        lines = [record.getMessage() for record in caplog.records if record.name == "itsm_workflow.gateway.retry"]
        assert lines == [
            f"search (request r-1): attempt {number} of 4 ended in {why}, the next attempt follows in 0.000 s"
            for number, why in enumerate(["HTTP 503", "gateway.refused", "the result check not_ready"], start=1)
        ]

    def test_waiting_is_what_the_server_asked_for(self) -> None:
        """And drawn evenly otherwise."""
        waits: list[float] = []
        bounds: list[float] = []

        def draw(bound: float) -> float:
            bounds.append(bound)
            return bound / 4

        later = response(b"", status="429 Slow", headers=("Retry-After: 2",))
        policy = RetryPolicy(attempts=4, first_wait=0.4)
        with desk(BUSY, later, BUSY, {}, retry=policy, sleep=waits.append, draw=draw) as here:
            here.client.call(endpoint())

        assert bounds == [0.4, 0.8, 1.6]
        assert waits == [0.1, 2.0, 0.4]
