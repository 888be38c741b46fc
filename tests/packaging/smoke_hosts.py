"""An approval through each host framework that is installed: run by `requirements/compat` in fresh environments."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, MutableMapping
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from itsm_workflow import AsyncWorkflow, Effect, EffectCall, State, Workflow
from itsm_workflow.callbacks.parse import CallbackResponse
from itsm_workflow.testing import ManualClock, MemorySandbox

Host = Callable[[str, str, Mapping[str, str], bytes], CallbackResponse]
"""Takes the method, path, headers and body of a callback."""

SUBJECT = "collector-42"
clock = ManualClock()
sandbox = MemorySandbox(clock=clock)
delivered: list[EffectCall] = []
arguments: dict[str, Any] = {
    "storage": "memory://",
    "gateway": sandbox.gateway,
    "clock": clock,
    "effects": {State.APPROVED: [Effect("start", delivered.append)]},
    "after_callback": "inline",
}


def through_flask() -> tuple[Workflow, Host]:
    """A blueprint."""
    from flask import Flask  # noqa: PLC0415 - it may not be installed

    from itsm_workflow.integrations import flask as itsm  # noqa: PLC0415 - as above

    workflow, app = Workflow(**arguments), Flask("shop")
    app.register_blueprint(itsm.blueprint(workflow, person=lambda: None, permit=lambda *_: False), url_prefix="/itsm")

    def call(method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        answer = app.test_client().open(path, method=method, headers=dict(headers), data=body)
        return CallbackResponse(status=answer.status_code, headers={}, body=answer.data)

    return workflow, call


def through_fastapi() -> tuple[Workflow, Host]:
    """A router, called by ASGI."""
    from fastapi import FastAPI  # noqa: PLC0415 - it may not be installed

    from itsm_workflow.integrations import fastapi as itsm  # noqa: PLC0415 - as above

    workflow, app = Workflow(**arguments), FastAPI()
    router = itsm.router(AsyncWorkflow(workflow), person=lambda: None, permit=lambda *_: False)
    app.include_router(router, prefix="/itsm")

    def call(method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        said: list[MutableMapping[str, Any]] = []
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            said.append(message)

        asyncio.run(app(scope, receive, send))
        return CallbackResponse(
            status=said[0]["status"], headers={}, body=b"".join(one.get("body", b"") for one in said[1:])
        )

    return workflow, call


def through_django() -> tuple[Workflow, Host]:
    """The app, with a store in the project's database."""
    import django  # noqa: PLC0415 - it may not be installed
    from django.conf import settings  # noqa: PLC0415 - as above
    from django.core.management import call_command  # noqa: PLC0415 - as above

    shop = ModuleType("shop")
    shop.arguments = lambda: {**arguments, "storage": "django://default"}  # type: ignore[attr-defined]  # made here
    sys.modules["shop"] = shop
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["itsm_workflow.integrations.django"],
        ROOT_URLCONF="shop_urls",
        SECRET_KEY="of this process",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file:shop?mode=memory&cache=shared"}},
        USE_TZ=True,
        ITSM_WORKFLOW={"ARGUMENTS": "shop:arguments"},
    )
    urls = ModuleType("shop_urls")
    sys.modules["shop_urls"] = urls
    django.setup()
    from django.test import Client  # noqa: PLC0415 - Django is set up by now
    from django.urls import include, path  # noqa: PLC0415 - as above

    from itsm_workflow.integrations.django import get_workflow  # noqa: PLC0415 - as above

    urls.urlpatterns = [path("itsm/", include("itsm_workflow.integrations.django.urls"))]  # type: ignore[attr-defined]  # as above
    call_command("migrate", verbosity=0, skip_checks=True)

    def call(method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        given = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        answer = Client().generic(method, path, body, headers.get("Content-Type", "application/json"), **given)
        return CallbackResponse(status=answer.status_code, headers={}, body=answer.content)

    return get_workflow(), call


def through_celery() -> tuple[Workflow, Host]:
    """Tasks that run where they are called."""
    from celery import Celery  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types, and may be missing

    from itsm_workflow.integrations import CeleryTasks  # noqa: PLC0415 - as above

    app = Celery("shop", broker="memory://")
    app.conf.task_always_eager = True
    tasks = CeleryTasks(app, lambda: Workflow(**{**arguments, "after_callback": tasks.settle_later}))

    def call(method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        return tasks.workflow().receive(method=method, path=path, headers=headers, body=body)

    return tasks.workflow(), call


HOSTS = {"flask": through_flask, "fastapi": through_fastapi, "django": through_django, "celery": through_celery}


def main() -> None:
    """File a change in each host, let it be approved, and receive the callback."""
    for name, made in HOSTS.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue
        delivered.clear()
        workflow, call = made()
        sandbox.receive = lambda *, method, path, headers, body, call=call: call(method, path, headers, body)
        change = workflow.apply(subject=SUBJECT, title="t", applicant="alice", approvers=["bob"])
        assert change.sn, workflow.why(change.id)
        sandbox.approve(change.sn)
        assert workflow.require_approved(SUBJECT).id == change.id, name
        assert [one.change.id for one in delivered] == [change.id], name
        workflow.close()
        print(f"  through {name} {installed}")  # noqa: T201 - for the reader of the report


if __name__ == "__main__":
    main()
