"""The workflow of this process: opened when it is first used, and closed when the process exits."""

from __future__ import annotations

import atexit
import contextlib
from typing import TYPE_CHECKING, Any

from itsm_workflow.errors import ItsmWorkflowError
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.integrations.django.settings import NAME, read_settings, workflow_arguments
from itsm_workflow.integrations.django.workflow import DjangoWorkflow
from itsm_workflow.runtime.per_process import PerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator


def open_workflow() -> DjangoWorkflow:
    """Return a new workflow by ``ITSM_WORKFLOW`` and the environment; the caller closes it.

    The arguments that the host gives by ``ITSM_WORKFLOW["ARGUMENTS"]`` replace the default ones.

    Raises:
        SettingsError: Settings are missing or invalid; the message names all of them.
        StorageError: The store cannot be opened.
        TypeError: An argument of the host has the wrong type, or is unknown.
    """
    given = workflow_arguments()
    with _naming_the_setting():
        arguments: dict[str, Any] = {}
        if "gateway" not in given:
            settings = read_settings()
            gateway = BkItsmGateway(settings)
            arguments = {
                "gateway": gateway,
                "owned": [gateway],
                "callbacks": bool(settings.callback_host and settings.callback_keys),
            }
        if "storage" not in given:
            arguments["storage"] = read_settings().store
        return DjangoWorkflow(**{**arguments, **given})


@contextlib.contextmanager
def _naming_the_setting() -> Iterator[None]:
    try:
        yield
    except ItsmWorkflowError as error:
        error.add_note(f"Set it in {NAME} of the Django settings, or in the environment.")
        raise


_workflows = PerProcess(open_workflow)


def get_workflow() -> DjangoWorkflow:
    """Return this process's workflow; the first call opens it, also in a process that was forked."""
    return _workflows.get()


@atexit.register
def close_workflow() -> None:
    """Close this process's workflow, if it was opened; the next `get_workflow` opens another one.

    The process calls it when it exits. Looks in the background are finished first, within `Policy.close_wait`.
    """
    _workflows.close()
