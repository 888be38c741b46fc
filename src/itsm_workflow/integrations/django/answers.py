"""Answers of the log platform's envelope as responses of Django."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, JsonResponse

from itsm_workflow.integrations.log_platform.answers import PlatformAnswer, answer_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest


def http(answer: PlatformAnswer) -> JsonResponse:
    """Return the response."""
    return JsonResponse(answer.body, status=answer.status)


def answering(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Turn an error of the library that the view raises into a response, and log those of the server itself."""

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        made: list[HttpResponse] = []

        def call() -> PlatformAnswer:
            made.append(view(request, *args, **kwargs))
            return PlatformAnswer(made[0].status_code, {})

        answer = answer_to(f"{request.method} {request.path}", call)
        return made[0] if made else http(answer)

    return answered
