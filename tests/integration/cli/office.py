"""Shared parts of the command line's tests: a stand-in of BK-ITSM, a store, and ways to run the command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.cli import main
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from itsm_workflow.sandbox import Sandbox

COMMAND = (sys.executable, "-m", "itsm_workflow")


@attrs.frozen(kw_only=True)
class Done:
    """What a run of the command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The JSON that was printed."""
        return json.loads(self.out)


@attrs.frozen(kw_only=True)
class Office:
    """A stand-in of BK-ITSM, a store, and the settings that lead to both.

    Attributes:
        variables: The settings, as a host's environment has them.
    """

    sandbox: Sandbox
    folder: Path
    capture: pytest.CaptureFixture[str]
    variables: dict[str, str]

    def run(self, *arguments: str) -> Done:
        """Run the command in this process."""
        self.capture.readouterr()
        code = main(arguments)
        printed = self.capture.readouterr()
        return Done(code=code, out=printed.out, err=printed.err)

    def run_process(self, *arguments: str, **more: str) -> Done:
        """Run the command as a process of its own, with more settings."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.variables, **more},
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    @contextlib.contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start the command as a process that goes on; it does not outlive the block."""
        with subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            # What is started in the background ignores Ctrl-C, and hands that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - it takes no lock
        ) as running:
            try:
                yield running
            finally:
                running.kill()

    def apply(self, subject: str, title: str = "接入 nginx 日志") -> dict[str, Any]:
        """File a change, and return it as the command prints it."""
        done = self.run(
            *("apply", "--subject", subject, "--title", title, "--applicant", "alice", "--approver", "bob", "--json")
        )
        assert done.code == 0, done.err
        return dict(done.json)

    def decide(self, sn: str, *, approve: bool) -> None:
        """Let the approver decide, and wait until it has taken effect."""
        decide = self.sandbox.approve if approve else self.sandbox.reject
        ticket = decide(sn).id
        self.sandbox.wait(lambda ledger: ledger.by_id(ticket).ended)


def unreachable_url() -> str:
    """Return a gateway root at which no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v2/itsm/"
