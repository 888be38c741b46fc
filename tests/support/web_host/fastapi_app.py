"""The host in FastAPI: ``uvicorn tests.support.web_host.fastapi_app:app`` serves it, by the environment's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Header

from itsm_workflow import AsyncWorkflow
from itsm_workflow.integrations.fastapi import lifespan, router
from tests.support.web_host import may, with_title

if TYPE_CHECKING:
    from itsm_workflow import Workflow


async def user(x_user: Annotated[str | None, Header()] = None) -> str | None:
    """Return the user name."""
    return x_user


def make_app(workflow: Workflow) -> FastAPI:
    """Return the host."""
    changes = AsyncWorkflow(workflow)
    made = FastAPI(lifespan=lifespan(changes))
    made.include_router(router(changes, person=user, permit=may, complete=with_title), prefix="/itsm")
    return made


def __getattr__(name: str) -> FastAPI:
    if name != "app":
        raise AttributeError(name)
    from tests.support.web_host.served import open_workflow  # noqa: PLC0415 - only a server needs its settings

    return make_app(open_workflow())
