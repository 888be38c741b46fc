"""The routes of a project that does not include those of the app."""

from __future__ import annotations

urlpatterns: list[object] = []
