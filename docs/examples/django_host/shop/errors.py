"""The answers to errors of the library and of the database."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import OperationalError
from django.shortcuts import render

from itsm_workflow import AlreadyApplied, InvalidForm, NotApproved
from itsm_workflow.errors import GatewayError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

log = logging.getLogger(__name__)


class Errors:
    """A middleware that shows the user why the library refused, or that the service is not available."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer a request whose view raised an error; None for an error that is a defect."""
        if isinstance(error, (StorageError, GatewayError, OperationalError)):
            log.warning("not available", exc_info=error)
            message = "The service is not available at the moment. Nothing was lost: send it again in a minute."
            answer = render(request, "shop/message.html", {"message": message}, status=503)
            answer["Retry-After"] = "60"
            return answer
        if isinstance(error, (InvalidForm, AlreadyApplied, NotApproved)):
            status = {InvalidForm: 400, AlreadyApplied: 409, NotApproved: 403}[type(error)]
            return render(request, "shop/message.html", {"message": str(error)}, status=status)
        return None
