"""The app's configuration."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _


class ItsmWorkflowConfig(AppConfig):
    """The configuration of the app ``itsm_workflow``."""

    name = "itsm_workflow.integrations.django"
    label = "itsm_workflow"
    verbose_name = _("Change requests")

    def ready(self) -> None:
        """Register the system checks."""
        from itsm_workflow.integrations.django import checks  # noqa: PLC0415 - only now the apps are loaded

        register(checks.check_settings, "itsm_workflow")
        register(checks.check_routes, "itsm_workflow")
