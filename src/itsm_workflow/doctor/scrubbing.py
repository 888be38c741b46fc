"""Mask our secrets in an answer: the doctor shows parts of it, and a server may repeat what it received."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.bkapi.call_log import scrub, spelled
from itsm_workflow.secrets import without_frames
from itsm_workflow.settings.proxy import proxy_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.bkapi.transport import HttpResponse
    from itsm_workflow.secrets import Secret
    from itsm_workflow.settings import Settings


def scrubbed(answer: HttpResponse, settings: Settings, *more: Secret) -> HttpResponse:
    """Return the answer with each of our secrets replaced by stars, before any part of it is cut."""
    ours = [settings.app_secret, *settings.callback_keys, *without_frames(proxy_secrets, settings.proxy), *more]
    return without_frames(_scrubbed, answer, spelled(ours))


def _scrubbed(answer: HttpResponse, secrets: Sequence[Secret]) -> HttpResponse:
    body = scrub(answer.body.decode("utf-8", "surrogateescape"), secrets).encode("utf-8", "surrogateescape")
    headers = {name: scrub(value, secrets) for name, value in answer.headers.items()}
    return attrs.evolve(answer, headers=headers, body=body)
