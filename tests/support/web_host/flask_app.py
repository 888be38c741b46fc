"""The host in Flask: ``gunicorn tests.support.web_host.flask_app:app`` serves it, by the environment's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, request

from itsm_workflow.integrations.flask import blueprint
from tests.support.web_host import USER, may, with_title

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import Workflow


def make_app(workflow: Workflow | Callable[[], Workflow]) -> Flask:
    """Return the host."""
    made = Flask(__name__)
    routes = blueprint(workflow, person=lambda: request.headers.get(USER), permit=may, complete=with_title)
    made.register_blueprint(routes, url_prefix="/itsm")
    return made


def __getattr__(name: str) -> Flask:
    if name != "app":
        raise AttributeError(name)
    from tests.support.web_host.served import open_workflow  # noqa: PLC0415 - only a server needs its settings

    return make_app(open_workflow())
