"""Change requests that wait for an approval ticket, as explicit state machines with pluggable storage.

Names are imported when they are first used, so importing the package is cheap and loads no HTTP library, storage
backend or host framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest, Entry, Form, Outcome
    from itsm_workflow.errors import (
        AlreadyApplied,
        ChangeNotFound,
        InvalidForm,
        ItsmWorkflowError,
        NotApproved,
        TransitionRefused,
    )
    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
    from itsm_workflow.integrations.log_platform import CollectorForm
    from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State, Trigger, approval_workflow
    from itsm_workflow.machine.approval_rule import ApprovalPolicy
    from itsm_workflow.machine.definition import Facts, Roles, Transition, WorkflowDefinition, waits_for_a_person
    from itsm_workflow.policy import Policy
    from itsm_workflow.runtime.effects import Effect, EffectCall
    from itsm_workflow.runtime.observers import Observer
    from itsm_workflow.runtime.reconciler import Report
    from itsm_workflow.runtime.status import Status
    from itsm_workflow.secrets import Secret
    from itsm_workflow.settings import Settings
    from itsm_workflow.storage.registry import open_storage
    from itsm_workflow.workflow import Workflow

__all__ = [
    "COLLECTOR_CHANGE",
    "AlreadyApplied",
    "ApprovalPolicy",
    "BkItsmGateway",
    "ChangeNotFound",
    "ChangeRequest",
    "CollectorForm",
    "Effect",
    "EffectCall",
    "Entry",
    "Facts",
    "Form",
    "InvalidForm",
    "ItsmWorkflowError",
    "NotApproved",
    "Observer",
    "Outcome",
    "Policy",
    "Report",
    "Roles",
    "Secret",
    "Settings",
    "State",
    "Status",
    "Transition",
    "TransitionRefused",
    "Trigger",
    "Workflow",
    "WorkflowDefinition",
    "approval_workflow",
    "open_storage",
    "waits_for_a_person",
]

_HOMES = {
    "COLLECTOR_CHANGE": "machine.approval",
    "AlreadyApplied": "errors",
    "ApprovalPolicy": "machine.approval_rule",
    "BkItsmGateway": "gateway.bk_itsm.adapter",
    "ChangeNotFound": "errors",
    "ChangeRequest": "change",
    "CollectorForm": "integrations.log_platform",
    "Effect": "runtime.effects",
    "EffectCall": "runtime.effects",
    "Entry": "change",
    "Facts": "machine.definition",
    "Form": "change",
    "InvalidForm": "errors",
    "ItsmWorkflowError": "errors",
    "NotApproved": "errors",
    "Observer": "runtime.observers",
    "Outcome": "change",
    "Policy": "policy",
    "Report": "runtime.reconciler",
    "Roles": "machine.definition",
    "Secret": "secrets",
    "Settings": "settings",
    "State": "machine.approval",
    "Status": "runtime.status",
    "Transition": "machine.definition",
    "TransitionRefused": "errors",
    "Trigger": "machine.approval",
    "Workflow": "workflow",
    "WorkflowDefinition": "machine.definition",
    "approval_workflow": "machine.approval",
    "open_storage": "storage.registry",
    "waits_for_a_person": "machine.definition",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's names are of any type
    """Import a public name from its module, or the version from the installed distribution."""
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("itsm-workflow")
    if name not in _HOMES:
        raise AttributeError(f"module 'itsm_workflow' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"itsm_workflow.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
