"""A process of one version of a host: it runs operations that the test sends as lines of JSON.

A web process has no functions for effects, as in a host whose workers deliver them.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow import BkItsmGateway, Observer, Settings, Workflow, open_storage
from itsm_workflow.errors import ItsmWorkflowError
from itsm_workflow.secrets import Secret
from tests.support.host_versions import EVIDENCE, FUNCTIONS, VERSIONS, effects_of
from tests.support.office import asked
from tests.support.release import LineProcess, say
from tests.support.worker import LaterClock
from tests.support.world import address_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest
    from itsm_workflow.change import Entry


class HostProcess(LineProcess):
    """A process of one version of the host, as the test sees it.

    Args:
        version: A name of `VERSIONS`.
        part: A name of `FUNCTIONS`.
        store_url: The URL of the store.
        gateway_url: The root of the gateway.
        log: The file of delivered effects.
        ahead: Seconds by which its clock is ahead.
    """

    def __init__(  # noqa: PLR0917 - the arguments of the process, in its order
        self, version: str, part: str, store_url: str, gateway_url: str, log: str, ahead: float = 0.0
    ) -> None:
        super().__init__(__name__, version, part, store_url, gateway_url, log, str(ahead))


class Troubles(Observer):
    """Keeps what an operator would be shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Ignore what moves."""

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Keep an error."""
        self.shown.append(f"{change_id}: {error}")


def _plain(change: ChangeRequest) -> dict[str, object]:
    return {"id": change.id, "state": str(change.state), "sn": change.sn, "data": dict(change.data)}


def _operations(workflow: Workflow, version: str, troubles: Troubles) -> dict[str, Callable[..., object]]:
    def callback(change_id: str, sn: str) -> int:
        url, headers = address_of(workflow, change_id)
        facts = {
            "title": "a title",
            "current_status": "FINISHED",
            "sn": sn,
            "ticket_url": "http://itsm.example.com/#/ticket/1",
            "update_at": "2026-03-02 16:00:00",
            "updated_by": "alice,carol",
            "approve_result": True,
            "token": "a-token-of-the-server",
        }
        path = "/" + url.split("://", 1)[-1].partition("/")[2]
        return workflow.receive(method="POST", path=path, headers=headers, body=json.dumps(facts).encode()).status

    def fire(change_id: str, trigger: str, **values: Any) -> dict[str, object]:
        return _plain(workflow.fire(change_id, trigger, EVIDENCE[version][trigger](**values), actor="robot"))

    return {
        "apply": lambda subject: _plain(workflow.apply(subject=subject, **asked())),
        "get": lambda change_id: _plain(workflow.get(change_id)),
        "why": workflow.why,
        "settle": lambda change_id: _plain(workflow.settle(change_id)),
        "withdraw": lambda change_id: _plain(workflow.withdraw(change_id, actor="olga", reason="r")),
        "gate": lambda subject: _plain(workflow.require_approved(subject)),
        "history": lambda change_id: [
            [entry.trigger, type(entry.evidence).__name__] for entry in workflow.history(change_id)
        ],
        "reconcile": lambda: attrs.asdict(workflow.reconcile()),
        "troubles": lambda: troubles.shown,
        "callback": callback,
        "fire": lambda change_id, trigger, values: fire(change_id, trigger, **json.loads(values)),
    }


def main(version: str, part: str, store_url: str, gateway_url: str, log: str, ahead: str) -> None:  # noqa: PLR0917 - as above
    """Serve operations until the input ends."""
    settings = Settings(
        app_code="collector",
        app_secret=Secret("made up"),
        gateway_url=gateway_url,
        fast_approval=True,
        callback_host="https://bklog.example.com",
        callback_keys=(Secret("k" * 40),),
    )
    clock, troubles = LaterClock(float(ahead)), Troubles()
    names = tuple(name for name in FUNCTIONS[part] if version != "old" or name == "start")
    with ExitStack() as opened:
        store = opened.enter_context(closing(open_storage(store_url)))
        gateway = opened.enter_context(closing(BkItsmGateway(settings, clock=clock)))
        workflow = Workflow(
            storage=store,
            gateway=gateway,
            definition=VERSIONS[version](),
            effects=effects_of(names, log),
            clock=clock,
            after_callback="later",
            observers=(troubles,),
        )
        operations = _operations(workflow, version, troubles)
        say(ready=True)
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            try:
                say(result=operations[name](*arguments))
            except ItsmWorkflowError as error:
                say(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
