"""Users without a table: a request names its user and the user's permissions in headers. Only the admin has others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse


@attrs.frozen
class User:
    """A user of the project."""

    name: str
    permissions: frozenset[str]
    is_active: bool = True

    def get_username(self) -> str:
        """Return the name."""
        return self.name

    def has_perm(self, permission: str) -> bool:
        """Return whether the user has a permission."""
        return permission in self.permissions


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Set the user of each request, but for those of the admin."""

    def with_user(request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/admin/"):
            return get_response(request)
        permissions = request.headers.get("X-Permissions", "itsm_workflow.view_change,itsm_workflow.add_change")
        request.user = User(request.headers.get("X-User", "alice"), frozenset(permissions.split(",")))
        return get_response(request)

    return with_user
