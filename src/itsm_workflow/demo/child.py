"""The other processes of the demonstration: one is killed while it applies, and one takes over.

``python -m itsm_workflow.demo.child ROLE DELIVERIES ASK``, with the settings in the environment. The role ``apply``
files the change; ``recover`` reconciles until no change of the subject is being filed.
"""

from __future__ import annotations

import json
import pathlib
import sys
import threading
import time
from typing import TYPE_CHECKING

from itsm_workflow.demo.host import Deliveries, open_host
from itsm_workflow.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.workflow import Workflow

_PATIENCE = 15.0
_TURN = 0.1


def main(arguments: Sequence[str]) -> int:
    """Play one role, and return the exit code: 0 for done, 1 for not done in time."""
    role, deliveries, text = arguments
    ask = json.loads(text)
    host = open_host(Settings.from_env(), Deliveries(pathlib.Path(deliveries)))
    try:
        if role == "recover":
            return _recover(host.workflow, ask["subject"])
        host.workflow.apply(
            subject=ask["subject"], title=ask["title"], applicant=ask["applicant"], approvers=ask["approvers"]
        )
    finally:
        host.close()
    return 0


def _recover(workflow: Workflow, subject: str) -> int:
    deadline, pause = time.monotonic() + _PATIENCE, threading.Event()
    asking = workflow.definition.roles.asking
    while time.monotonic() < deadline:
        workflow.reconcile()
        if not any(workflow.find(subject=subject, states=[asking])):
            return 0
        pause.wait(_TURN)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
