"""The workflow of each process, opened when the process first needs it.

A prefork worker forks its pool before any task runs, so each pool process opens a workflow of its own: connections and
threads do not cross a fork.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from itsm_workflow.form import shown
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Callable


class ProcessWorkflow:
    """Opens one workflow in each process, and closes it there.

    Args:
        open_workflow: The host's function that returns a new workflow.
    """

    def __init__(self, open_workflow: Callable[[], Workflow]) -> None:
        self._open_workflow = open_workflow
        self._inherited: list[Workflow] = []
        self._workflow: Workflow | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def get(self) -> Workflow:
        """Return this process's workflow; the first call opens it.

        Raises:
            TypeError: The host's function did not return a workflow.
        """
        if self._pid != os.getpid():
            self._start_process()
        with self._lock:
            if self._workflow is None:
                self._workflow = self._opened()
            return self._workflow

    def close(self) -> None:
        """Close this process's workflow, if it was opened; the next `get` opens another one."""
        if self._pid != os.getpid():
            return
        with self._lock:
            workflow, self._workflow = self._workflow, None
        if workflow is not None:
            workflow.close()

    def _start_process(self) -> None:
        """Forget what belongs to the process that forked this one."""
        if self._workflow is not None:
            # Kept, not closed: its connections belong to the parent, whose server would see their end.
            self._inherited.append(self._workflow)
        self._workflow = None
        self._lock = threading.Lock()  # the parent may have held its own during the fork
        self._pid = os.getpid()

    def _opened(self) -> Workflow:
        opened: object = self._open_workflow()
        if not isinstance(opened, Workflow):
            raise TypeError(
                f"CeleryTasks(open_workflow=...) takes a function that returns a Workflow, not {shown(opened)}"
            )
        return opened
