"""FastAPI: a router with the three routes of a host, and a lifespan that closes the workflow.

::

    changes = AsyncWorkflow(workflow)
    app = FastAPI(lifespan=lifespan(changes))
    app.include_router(router(changes, person=current_user, permit=may), prefix="/itsm")
"""

from __future__ import annotations

try:
    from itsm_workflow.integrations.fastapi.router import lifespan, router
except ImportError as error:
    raise ImportError(
        f"{error}: install the packages that it needs with `pip install 'itsm-workflow[fastapi]'`"
    ) from error

__all__ = ["lifespan", "router"]
