"""The office in which the command is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.cli.language import begin
from itsm_workflow.sandbox import Sandbox
from tests.integration.cli.office import Office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_language() -> Iterator[None]:
    """Forget the language that a test typed last."""
    yield
    begin(())


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Open an office; its settings are those of this process and of those it starts."""
    with Sandbox(start_delay=0.0, decision_delay=0.0) as sandbox:
        variables = {
            "BKAPP_ITSM_APP_CODE": "host",
            "BKAPP_ITSM_APP_SECRET": "made-up-for-this-test",
            "BKAPP_ITSM_GATEWAY_URL": sandbox.url,
            "BKAPP_ITSM_FAST_APPROVAL": "true",
            "BKAPP_ITSM_STORE": f"sqlite:///{tmp_path / 'changes.db'}",
            "BKAPP_ITSM_WORKFLOW_APP": "none",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield Office(sandbox=sandbox, folder=tmp_path, capture=capsys, variables=variables)
