"""The parts that all pages of the admin share: the permission, the workflow, the template, and the page of an error."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from itsm_workflow.errors import ChangeNotFound, ItsmWorkflowError
from itsm_workflow.integrations.django.admin.words import language
from itsm_workflow.integrations.django.process import get_workflow
from itsm_workflow.integrations.django.views import outside_transactions
from itsm_workflow.machine.messages import message_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest, HttpResponse

    from itsm_workflow.workflow import Workflow

    Page = Callable[..., HttpResponse]

logger = logging.getLogger("itsm_workflow.admin")

_NOT_FOUND, _FAILED = 404, 503


def page_view(admin: ModelAdmin, page: Page, *, acts: bool = False) -> Page:
    """Return the view of a page, outside of transactions, since it may call the gateway.

    Args:
        admin: The admin, which checks the user.
        page: Called with the admin, the request, the workflow, and the parts of the route.
        acts: Whether the page acts; then the user needs the permission to change.
    """

    @functools.wraps(page)
    def view(request: HttpRequest, **route: Any) -> HttpResponse:
        may = admin.has_change_permission if acts else admin.has_view_or_change_permission
        if not may(request):
            raise PermissionDenied
        try:
            return page(admin, request, get_workflow(), **route)
        except ItsmWorkflowError as error:
            return _error_page(admin, request, error)

    return outside_transactions(admin.admin_site.admin_view(view))


def rendered(
    admin: ModelAdmin, request: HttpRequest, template: str, title: str, status: int = 200, **context: object
) -> HttpResponse:
    """Return a page of the admin.

    Args:
        admin: The admin.
        request: The request.
        template: The name of the template, without its folder and suffix.
        title: The title of the page.
        status: The status of HTTP.
        context: What the template shows besides what every page of the admin shows.
    """
    shared = {
        **admin.admin_site.each_context(request),
        "opts": admin.model._meta,  # noqa: SLF001 - Django's documented attribute
        "title": title,
        "may_act": admin.has_change_permission(request),
    }
    return TemplateResponse(request, f"itsm_workflow/admin/{template}.html", {**shared, **context}, status=status)


def changes_of(admin: ModelAdmin, workflow: Workflow) -> str:
    """Return the title of the list."""
    return f"{str(admin.model._meta.verbose_name_plural).capitalize()} · {workflow.definition.name}"  # noqa: SLF001 - as above


def _error_page(admin: ModelAdmin, request: HttpRequest, error: ItsmWorkflowError) -> HttpResponse:
    is_missing = isinstance(error, ChangeNotFound)
    if not is_missing:
        logger.error("The page %s failed.", request.path, exc_info=error)
    title = _("There is no such change request") if is_missing else _("The change requests cannot be shown")
    status = _NOT_FOUND if is_missing else _FAILED
    return rendered(admin, request, "error", title, status, error=message_of(error, language()))
