"""Change requests that wait for an approval ticket, as explicit state machines with pluggable storage.

Names are imported when they are first used, so importing the package is cheap and loads no HTTP library, storage
backend or host framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from itsm_workflow.async_workflow import AsyncWorkflow
    from itsm_workflow.change import ChangeRequest, Entry, Form, Outcome
    from itsm_workflow.errors import (
        AlreadyApplied,
        ChangeNotFound,
        InvalidForm,
        ItsmWorkflowError,
        NotApproved,
        NotPermitted,
        TransitionRefused,
    )
    from itsm_workflow.form import ApplyArguments
    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
    from itsm_workflow.integrations.log_platform import CollectorForm
    from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State, Trigger, approval_workflow
    from itsm_workflow.machine.approval_rule import ApprovalPolicy
    from itsm_workflow.machine.definition import Facts, Roles, Transition, WorkflowDefinition, waits_for_a_person
    from itsm_workflow.machine.exemption import Exemption
    from itsm_workflow.policy import Policy
    from itsm_workflow.runtime.effects import Effect, EffectCall
    from itsm_workflow.runtime.figures import Figures
    from itsm_workflow.runtime.finding import FoundPage
    from itsm_workflow.runtime.observers import Observer
    from itsm_workflow.runtime.overview import Overview
    from itsm_workflow.runtime.permissions import Act, Authorize
    from itsm_workflow.runtime.reconciler import Report
    from itsm_workflow.runtime.status import Status
    from itsm_workflow.secrets import Secret
    from itsm_workflow.settings import Settings
    from itsm_workflow.storage.registry import open_storage
    from itsm_workflow.workflow import Workflow

    __version__: str
else:
    from itsm_workflow.exports import exports

    _exported, _listed = exports(
        __name__,
        {
            "async_workflow": "AsyncWorkflow",
            "change": "ChangeRequest Entry Form Outcome",
            "errors": (
                "AlreadyApplied ChangeNotFound InvalidForm ItsmWorkflowError NotApproved NotPermitted TransitionRefused"
            ),
            "form": "ApplyArguments",
            "gateway.bk_itsm.adapter": "BkItsmGateway",
            "integrations.log_platform": "CollectorForm",
            "machine.approval": "COLLECTOR_CHANGE State Trigger approval_workflow",
            "machine.approval_rule": "ApprovalPolicy",
            "machine.definition": "Facts Roles Transition WorkflowDefinition waits_for_a_person",
            "machine.exemption": "Exemption",
            "policy": "Policy",
            "runtime.effects": "Effect EffectCall",
            "runtime.figures": "Figures",
            "runtime.finding": "FoundPage",
            "runtime.observers": "Observer",
            "runtime.overview": "Overview",
            "runtime.permissions": "Act Authorize",
            "runtime.reconciler": "Report",
            "runtime.status": "Status",
            "secrets": "Secret",
            "settings": "Settings",
            "storage.registry": "open_storage",
            "workflow": "Workflow",
        },
    )

    def __getattr__(name: str) -> object:
        """Import a public name from its module, or read the version of the installed distribution."""
        if name != "__version__":
            return _exported(name)
        from importlib.metadata import version  # noqa: PLC0415 - few programs ask for it

        return version("itsm-workflow")

    def __dir__() -> list[str]:
        return [*_listed(), "__version__"]


__all__ = [
    "COLLECTOR_CHANGE",
    "Act",
    "AlreadyApplied",
    "ApplyArguments",
    "ApprovalPolicy",
    "AsyncWorkflow",
    "Authorize",
    "BkItsmGateway",
    "ChangeNotFound",
    "ChangeRequest",
    "CollectorForm",
    "Effect",
    "EffectCall",
    "Entry",
    "Exemption",
    "Facts",
    "Figures",
    "Form",
    "FoundPage",
    "InvalidForm",
    "ItsmWorkflowError",
    "NotApproved",
    "NotPermitted",
    "Observer",
    "Outcome",
    "Overview",
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
