"""One of many processes that apply for the same subjects and abandon the same drafts, each in another order.

`python -m tests.faults.racer STORE TICKETS SUBJECTS SEED [HOLD]` reports that it is ready, waits for a line, and
reports in one line of JSON the subjects that it won and its errors. With HOLD it stops in the middle of the write with
that number, while it holds the store's lock, reports this, and continues after another line.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Self

from itsm_workflow import Workflow
from itsm_workflow.errors import AlreadyApplied, TransitionRefused
from itsm_workflow_backends.json_file import _log
from tests.faults.ticket_file import TicketFile
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Wait for the start, and race."""
    store, tickets, subjects, seed, *hold = arguments
    if hold:
        _hold_at(int(hold[0]))
    with Workflow(storage=store, gateway=TicketFile(Path(tickets))) as workflow:
        _tell("ready")
        sys.stdin.readline()
        drafts, abandoned = [change.id for change in workflow.find(states=["draft"])], []
        Random(int(seed)).shuffle(drafts)
        for draft in drafts:
            with contextlib.suppress(TransitionRefused):  # another process was first
                workflow.abandon(draft, actor=seed)
                abandoned.append(draft)
        order = [f"collector-{number}" for number in range(int(subjects))]
        Random(int(seed)).shuffle(order)
        won, errors = [], Counter[str]()
        for subject in order:
            try:
                workflow.apply(subject=subject, title="t", applicant="alice", approvers=["carol"])
            except AlreadyApplied:
                errors["AlreadyApplied"] += 1
            except Exception as error:  # noqa: BLE001 - every error that a user would see is counted
                errors[f"{type(error).__name__}: {error}"] += 1
            else:
                won.append(subject)
    _tell({"won": won, "errors": errors, "abandoned": abandoned})


def _hold_at(number: int) -> None:
    names = vars(_log)  # the namespace in which the backend looks up its sync function
    sync, synced = names["sync"], Counter[str]()

    def stop(descriptor: int) -> None:
        synced["here"] += 1
        if synced["here"] == number:
            _tell("holds")
            sys.stdin.readline()
        sync(descriptor)

    names["sync"] = stop


def _tell(what: object) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - the test reads it


class Racer:
    """The test's handle of such a process."""

    def __init__(self, store: str, tickets: Path, *, subjects: int, seed: int, hold: int | None = None) -> None:
        command = [sys.executable, "-m", "tests.faults.racer", store, str(tickets), str(subjects), str(seed)]
        command += [] if hold is None else [str(hold)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        assert self.hear() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def go(self) -> None:
        """Let the process start, or continue."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def hear(self) -> Any:  # noqa: ANN401 - JSON
        """Return the next report of the process."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the racer ended without a word"
        return json.loads(line)

    def kill(self) -> None:
        """Kill the process, also while it holds a lock."""
        self._process.kill()
        self._process.wait(PATIENCE)


if __name__ == "__main__":
    main(sys.argv[1:])
