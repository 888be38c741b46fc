"""One change's whole life on each kind of store, over HTTP: run by `requirements/smoke` with what a user installs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from itsm_workflow import BkItsmGateway, Effect, EffectCall, State, Workflow
from itsm_workflow.sandbox import Sandbox


def live(url: str) -> None:
    """File a change, let it be approved, and deliver its effect."""
    delivered: list[EffectCall] = []
    with Sandbox() as sandbox:
        effects = {State.APPROVED.value: [Effect("start", delivered.append)]}
        with Workflow(
            storage=url, gateway=BkItsmGateway(sandbox.settings()), effects=effects, callbacks=False
        ) as workflow:
            change = workflow.apply(subject="collector-42", title="t", applicant="alice", approvers=["bob"])
            assert change.sn, workflow.why(change.id)
            ticket = sandbox.approve(change.sn).id
            sandbox.wait(lambda ledger: ledger.by_id(ticket).ended)
            workflow.settle(change.id)
            assert workflow.require_approved("collector-42").id == change.id
            assert [call.change.id for call in delivered] == [change.id]


def main() -> None:
    """Live on every store, and start the command."""
    with tempfile.TemporaryDirectory() as folder:
        for url in ("memory://", f"sqlite:///{folder}/changes.db", f"json:///{folder}/changes.jsonl"):
            live(url)
    command = Path(sys.executable).with_name("itsm-workflow")
    said = subprocess.run([command, "--version"], check=True, capture_output=True, encoding="utf-8").stdout
    assert version("itsm-workflow") in said, said


if __name__ == "__main__":
    main()
