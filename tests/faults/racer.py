"""One of many processes that apply for the same subjects and abandon the same drafts, in an order of its own.

`python -m tests.faults.racer STORE TICKETS SUBJECTS SEED [HOLD]` says that it is ready, waits for a line, and tells in
one line of JSON which subjects it won and which errors it met. With HOLD it says so in the middle of the write of that
number, with the store's lock in its hands, and goes on when it gets another line.
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

from itsm_workflow import Workflow, open_storage
from itsm_workflow.errors import AlreadyApplied, TransitionRefused
from itsm_workflow_backends.json_file import _log
from tests.faults.ticket_file import TicketFile
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Race."""
    store, tickets, subjects, seed, *hold = arguments
    if hold:
        _hold_at(int(hold[0]))
    with Workflow(storage=open_storage(store), gateway=TicketFile(Path(tickets))) as workflow:
        _tell("ready")
        sys.stdin.readline()
        drafts, abandoned = [change.id for change in workflow.find(states=["draft"])], []
        Random(int(seed)).shuffle(drafts)
        for draft in drafts:
            with contextlib.suppress(TransitionRefused):  # another one was first
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
            except Exception as error:  # noqa: BLE001 - whatever a user would see is counted
                errors[f"{type(error).__name__}: {error}"] += 1
            else:
                won.append(subject)
    _tell({"won": won, "errors": errors, "abandoned": abandoned})


def _hold_at(number: int) -> None:
    names = vars(_log)  # where the backend looks up how to sync
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
    """Such a process, seen from the test."""

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
        """Let it begin, or go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def hear(self) -> Any:  # noqa: ANN401 - JSON
        """Return what it tells next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the racer ended without a word"
        return json.loads(line)

    def kill(self) -> None:
        """End it at once, whatever it holds."""
        self._process.kill()
        self._process.wait(PATIENCE)


if __name__ == "__main__":
    main(sys.argv[1:])
