"""The permissions of the views, which a host may decide by a function of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.errors import SettingsError
from itsm_workflow.integrations.django.settings import NAME, PERMISSION, imported
from itsm_workflow.integrations.log_platform.routes import APPLY, VIEW, checked_permission
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from django.http import HttpRequest

_PERMISSIONS = {VIEW: "itsm_workflow.view_change", APPLY: "itsm_workflow.add_change"}


def is_permitted(request: HttpRequest, action: str, collector: str) -> bool:
    """Return whether the user of a request may do an action.

    ``ITSM_WORKFLOW["PERMISSION"]`` names a function with these arguments that returns True or False. Without it, the
    user needs Django's permission ``itsm_workflow.view_change`` or ``itsm_workflow.add_change``.

    Args:
        request: The request.
        action: The action, ``view`` or ``apply``.
        collector: The collector's number.

    Raises:
        SettingsError: The function does not exist, or returned neither True nor False.
    """
    decide = imported(PERMISSION)
    if decide is None:
        user = getattr(request, "user", None)
        return bool(user is not None and user.is_active and user.has_perm(_PERMISSIONS[action]))
    if not callable(decide):
        raise SettingsError(f"{NAME}[{PERMISSION!r}] must name a function, not {kind_of(decide)}")
    return checked_permission(decide(request, action, collector), f"the function of {NAME}[{PERMISSION!r}]")
