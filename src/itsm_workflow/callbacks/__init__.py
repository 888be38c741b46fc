"""Inbound callbacks: authenticated by the library's own credential, and stored as hints; the body is not trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.callbacks.parse import CallbackResponse, Receive
from itsm_workflow.exports import exports

if TYPE_CHECKING:
    from itsm_workflow.callbacks.asgi import asgi_app
    from itsm_workflow.callbacks.wsgi import wsgi_app
else:
    __getattr__, __dir__ = exports(__name__, {"asgi": "asgi_app", "wsgi": "wsgi_app"})

__all__ = ["CallbackResponse", "Receive", "asgi_app", "wsgi_app"]
