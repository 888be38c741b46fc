"""One call leaves one line in the log, with flat fields."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.errors import GatewayError
from itsm_workflow.gateway.bk_itsm.wire import GET_SERVICES
from tests.support.fault_server import CREATED, FaultServer, answering, response, success
from tests.support.gateways import create_request, gateway, settings


class TestAuditLine:
    """One call, one line, with flat fields."""

    def lines(self, caplog: pytest.LogCaptureFixture) -> list[Any]:
        """Return what the gateway's log says."""
        return [record for record in caplog.records if record.name == "itsm_workflow.gateway"]

    def test_a_success(self, caplog: pytest.LogCaptureFixture) -> None:
        """Who asked what, under which ids, and how long it took."""
        caplog.set_level(logging.INFO)
        good = response(success([]), headers=("X-Bkapi-Request-Id: gw-1\x0b",))
        with FaultServer(answering(good)) as server:
            client = ApiClient(settings(server.url), new_request_id=lambda: "ours-1")
            client.call(GET_SERVICES, {"catalog_id": 5})
            client.close()

        (line,) = self.lines(caplog)
        assert line.levelno == logging.INFO
        assert (line.bk_request_id, line.itsm_endpoint, line.itsm_outcome) == ("ours-1", "get_services", "success")
        assert (line.itsm_status, line.itsm_code, line.itsm_attempts) == (200, 0, 1)
        assert (line.itsm_params, line.itsm_gateway_request_id) == ('{"catalog_id": 5}', "gw-1")
        assert 0 < line.itsm_seconds < 5

    def test_a_failure_counts_its_attempts_in_one_line(self, caplog: pytest.LogCaptureFixture) -> None:
        """Three attempts are one call."""
        with FaultServer(answering(response(b"", status="503 Busy"))) as server, pytest.raises(GatewayError):
            gateway(server.url, retry=RetryPolicy(attempts=3, wait=False)).services()

        (line,) = self.lines(caplog)
        assert line.levelno == logging.WARNING
        assert (line.itsm_outcome, line.itsm_status, line.itsm_attempts) == ("gateway.protocol", 503, 3)

    def test_a_refusal_keeps_its_code_and_its_words(self, caplog: pytest.LogCaptureFixture) -> None:
        """An operator can search for them."""
        body = {"result": False, "code": 3900022, "data": None, "message": "没有"}
        with FaultServer(answering(response(body))) as server, pytest.raises(GatewayError):
            gateway(server.url).services()

        (line,) = self.lines(caplog)
        assert (line.itsm_outcome, line.itsm_code, line.itsm_message) == ("gateway.refused", 3900022, "没有")

    def test_parameters_are_starred_cut_and_on_one_line(self, caplog: pytest.LogCaptureFixture) -> None:
        """A reader of the log can trust its lines, and sees no secret in them."""
        caplog.set_level(logging.INFO)
        with FaultServer(answering(response(success(CREATED)))) as server:
            gateway(server.url).create(create_request(title="a\r\nlevel=ERROR \u202e" + "x" * 3000))

        (line,) = self.lines(caplog)
        assert len(line.itsm_params) <= 1000
        assert line.itsm_params.isascii()
        assert line.itsm_params.isprintable()
        assert "alice" in line.itsm_params

    def test_where_a_callback_goes_is_logged_without_its_path(self, caplog: pytest.LogCaptureFixture) -> None:
        """A credential may travel in the path."""
        caplog.set_level(logging.INFO)
        with FaultServer(answering(response(success(CREATED)))) as server:
            gateway(server.url).create(create_request())

        (line,) = self.lines(caplog)
        assert json.loads(line.itsm_params)["meta"] == {"callback_url": "http://127.0.0.1/***", "headers": "***"}
