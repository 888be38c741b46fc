"""The project's part of the workflow: the effect, and the permission."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow import Effect, State

from .models import Collector

if TYPE_CHECKING:
    from django.http import HttpRequest

    from itsm_workflow import EffectCall


def enable(call: EffectCall) -> None:
    """Enable the collector after the approval. An effect can run twice; this one then changes nothing."""
    Collector.objects.filter(name=call.change.subject.removeprefix("collector-")).update(enabled=True)


def arguments() -> dict[str, object]:
    """Return the arguments of `Workflow` that are not settings."""
    return {"effects": {State.APPROVED: [Effect("enable", enable)]}}


def may(request: HttpRequest, action: str, collector: str) -> bool:
    """Permit every user to look, and the owner to apply; the routes of the library ask this."""
    if action == "view":
        return bool(request.user.is_authenticated)
    return bool(Collector.objects.filter(name=collector, owner_id=request.user.pk).exists())
