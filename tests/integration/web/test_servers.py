"""A host in Flask under gunicorn and in FastAPI under uvicorn, against the stand-in of BK-ITSM over HTTP."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import BkItsmGateway, Workflow
from itsm_workflow.sandbox import CallbackOutcome, Sandbox
from tests.support.limits import PATIENCE
from tests.support.web_host import APPLICATION
from tests.support.web_host.served import Server

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow import Settings
    from itsm_workflow.sandbox.ledger import Ledger

PREFIX = "BKAPP_ITSM_"
ENDED = {0, -signal.SIGTERM}
"""The exit codes of a server that was terminated and closed its application; uvicorn then raises the signal again."""


def environment(settings: Settings, store: str) -> dict[str, str]:
    """Return the settings as variables."""
    return {
        f"{PREFIX}APP_CODE": settings.app_code,
        f"{PREFIX}APP_SECRET": settings.app_secret.reveal(),
        f"{PREFIX}GATEWAY_URL": settings.gateway_url,
        f"{PREFIX}FAST_APPROVAL": "true",
        f"{PREFIX}CALLBACK_HOST": settings.callback_host,
        f"{PREFIX}CALLBACK_KEYS": ",".join(key.reveal() for key in settings.callback_keys),
        f"{PREFIX}STORE": store,
    }


@pytest.mark.long
@pytest.mark.parametrize("kind", ["flask", "fastapi"])
def test_changes_from_the_application_to_the_end(kind: str, tmp_path: Path) -> None:
    """Approved, rejected, approved with a lost callback, and approved after a restart; each decision is shown."""
    store = f"sqlite:///{tmp_path / 'changes.db'}"
    with Server(kind) as server, Sandbox() as sandbox:
        settings = sandbox.settings(callback_host=server.url)
        server.environment = environment(settings, store)
        server.start()

        def applied(collector: int) -> str:
            answer = server.ask("POST", f"{collector}/apply_itsm_ticket/", APPLICATION)
            assert answer["data"]["collect_itsm_status"] == "applying", answer
            return str(answer["data"]["sn"])

        def status(collector: int) -> str:
            return str(server.ask("GET", f"{collector}/collect_itsm_status/")["data"]["collect_itsm_status"])

        def decide(sn: str, *, approved: bool) -> list[str]:
            (sandbox.approve if approved else sandbox.reject)(sn, timeout=PATIENCE)

            def outcomes(ledger: Ledger) -> list[str]:
                sent = [one.outcome for one in ledger.by_sn(sn)[0].view().callbacks]
                return [] if CallbackOutcome.PENDING in sent else list(sent)

            return sandbox.wait(outcomes, PATIENCE)

        assert decide(applied(1), approved=True) == ["delivered"]
        assert decide(applied(2), approved=False) == ["delivered"]
        assert (status(1), status(2)) == ("success_apply", "fail_apply")

        lost, later = applied(3), applied(4)
        sandbox.faults.callback_lost(listed=True)
        decide(lost, approved=True)
        assert status(3) == "applying"

        assert server.stop() in ENDED
        server.start()
        assert decide(later, approved=True) == ["delivered"]
        assert status(4) == "success_apply"

        with Workflow(storage=store, gateway=BkItsmGateway(settings)) as workflow:  # as cron does
            workflow.reconcile()
        assert status(3) == "success_apply"
        assert server.stop() in ENDED
