"""The pages of Django's admin for changes: a list and, for each change, a page.

Django imports this package if the project has its admin. The pages read and act through the workflow of the process, so
they are the same for every store; they use no rows of `itsm_workflow.integrations.django.models`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.urls import path

from itsm_workflow.integrations.django.admin.acting import operation_page
from itsm_workflow.integrations.django.admin.bulk import bulk_page
from itsm_workflow.integrations.django.admin.detail import change_page
from itsm_workflow.integrations.django.admin.listing import list_page
from itsm_workflow.integrations.django.admin.pages import page_view
from itsm_workflow.integrations.django.models import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

__all__ = ["ChangeAdmin"]


@admin.register(Change)
class ChangeAdmin(admin.ModelAdmin):
    """The pages of changes in Django's admin.

    To look, a user needs Django's permission ``itsm_workflow.view_change`` or ``itsm_workflow.change_change``; to act,
    the second one.
    """

    def get_urls(self) -> Sequence[object]:
        """Return the routes of the pages, which replace all routes of Django's own."""
        return [
            path("", page_view(self, list_page), name="itsm_workflow_change_changelist"),
            path("bulk/<slug:kind>/", page_view(self, bulk_page, acts=True), name="itsm_workflow_change_bulk"),
            path("<str:change_id>/change/", page_view(self, change_page), name="itsm_workflow_change_change"),
            path(
                "<str:change_id>/do/<slug:operation>/",
                page_view(self, operation_page, acts=True),
                name="itsm_workflow_change_operation",
            ),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - as Django calls it
        """Return False: a change is filed by the project's own pages."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 - as above
        """Return False: a change and its history are never deleted here."""
        return False
