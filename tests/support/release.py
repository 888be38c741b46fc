"""A process of one release among those of a rolling update: it runs operations that the test sends as lines of JSON.

The next release is this one with a higher schema of documents and an upgrade function for those of this one, so that it
reads what this release wrote, and this release must refuse what the next one wrote.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

from itsm_workflow import BkItsmGateway, Settings, Workflow, open_storage
from itsm_workflow.errors import ItsmWorkflowError
from itsm_workflow.secrets import Secret
from itsm_workflow.storage import codec, documents
from tests.support.limits import PATIENCE
from tests.support.office import asked
from tests.support.worker import LaterClock
from tests.support.world import address_of, callback_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest

PRESENT, NEXT = documents.SCHEMA, documents.SCHEMA + 1
_HOUR = 3600.0


class LineProcess:
    """A process that runs the operations it reads, as the test sees it.

    Args:
        module: The name of the module that it runs.
        arguments: Its arguments.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def __enter__(self) -> Self:
        assert self._answer() == {"ready": True}
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=PATIENCE)  # closing its input ends it

    def do(self, name: str, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        """Run an operation in the process, and return its result, or the name of the error that it raised."""
        self.begin(name, *arguments)
        return self.result()

    def begin(self, name: str, *arguments: str) -> None:
        """Begin an operation."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()

    def result(self) -> Any:  # noqa: ANN401 - JSON
        """Return the result of the operation that was begun."""
        answer = self._answer()
        return answer.get("result", answer.get("error"))

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process ended"
        found: dict[str, Any] = json.loads(line)
        return found


class Release(LineProcess):
    """The process of a release.

    Args:
        schema: The schema of the documents that it writes: `PRESENT` or `NEXT`.
        store_url: The URL of the store.
        gateway_url: The root of the gateway.
        ahead: Seconds by which its clock is ahead.
    """

    def __init__(self, schema: int, store_url: str, gateway_url: str, *, ahead: float = 0.0) -> None:
        super().__init__(__name__, str(schema), store_url, gateway_url, str(ahead))


def become_the_next_release() -> None:
    """Write documents of the next schema, and read those of this one."""
    documents.SCHEMA = NEXT
    codec.SCHEMA = NEXT  # type: ignore[attr-defined]  # it is imported there
    codec._READABLE = range(1, NEXT + 1)
    codec._UPGRADES[PRESENT] = lambda change: change


def _plain(change: ChangeRequest) -> dict[str, object]:
    return {"id": change.id, "state": str(change.state), "sn": change.sn}


def _operations(workflow: Workflow) -> dict[str, Callable[..., object]]:
    def callback(change_id: str, sn: str) -> int:
        url, headers = address_of(workflow, change_id)
        facts = callback_facts(next(iter(workflow.find(subject="a"))), sn=sn)
        path = "/" + url.split("://", 1)[-1].partition("/")[2]
        return workflow.receive(method="POST", path=path, headers=headers, body=json.dumps(facts).encode()).status

    return {
        "apply": lambda subject: _plain(workflow.apply(subject=subject, **asked())),
        "get": lambda change_id: _plain(workflow.get(change_id)),
        "settle": lambda change_id: _plain(workflow.settle(change_id)),
        "withdraw": lambda change_id: _plain(workflow.withdraw(change_id, actor="olga", reason="r")),
        "abandon": lambda change_id: _plain(workflow.abandon(change_id, actor="olga", reason="r")),
        "gate": lambda subject: _plain(workflow.require_approved(subject)),
        "history": lambda change_id: [entry.trigger for entry in workflow.history(change_id)],
        "find": lambda: sorted(change.subject for change in workflow.find()),
        "reconcile": lambda: attrs.asdict(workflow.reconcile()),
        "callback": callback,
    }


def main(schema: str, store_url: str, gateway_url: str, ahead: str) -> None:
    """Serve operations until the input ends."""
    if int(schema) == NEXT:
        become_the_next_release()
    settings = Settings(
        app_code="collector",
        app_secret=Secret("made up"),
        gateway_url=gateway_url,
        fast_approval=True,
        callback_host="https://bklog.example.com",
        callback_keys=(Secret("k" * 40),),
    )
    clock = LaterClock(float(ahead))
    with ExitStack() as opened:
        store = opened.enter_context(closing(open_storage(store_url)))
        gateway = opened.enter_context(closing(BkItsmGateway(settings, clock=clock)))
        operations = _operations(Workflow(storage=store, gateway=gateway, clock=clock, after_callback="later"))
        say(ready=True)
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            try:
                say(result=operations[name](*arguments))
            except ItsmWorkflowError as error:
                say(error=type(error).__name__)


def say(**facts: object) -> None:
    """Answer with a line."""
    os.write(sys.stdout.fileno(), json.dumps(facts).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
