"""What importing the library costs: nothing that only some hosts need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.limits import PATIENCE

HEAVY = (
    "alembic",
    "celery",
    "django",
    "fastapi",
    "flask",
    "hypothesis",
    "itsm_workflow_backends",
    "kombu",
    "opentelemetry",
    "prometheus_client",
    "psycopg",
    "pymysql",
    "pytest",
    "requests",
    "rich",
    "rich_click",
    "sqlalchemy",
    "starlette",
    "urllib3",
)


def loaded_by(statement: str) -> set[str]:
    """Return the modules that are loaded after the statement, in a fresh interpreter."""
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=PATIENCE)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import itsm_workflow",
        "from itsm_workflow import COLLECTOR_CHANGE, Form, Policy, Workflow, open_storage",
        "from itsm_workflow import bkapi, callbacks, gateway, integrations, machine, storage, testing",
        "from itsm_workflow.bkapi import Endpoint, RetryPolicy",
    ],
)
def test_importing_the_library_loads_nothing_heavy(statement: str) -> None:
    """Neither an HTTP client nor a host's framework nor a backend nor a test tool is loaded."""
    assert sorted(loaded_by(statement) & set(HEAVY)) == []


HOST = "from itsm_workflow import BkItsmGateway, Settings, Workflow, open_storage"
CALLING = {"requests", "tenacity", "urllib3"}


def test_a_host_loads_what_sends_requests_when_it_makes_a_gateway() -> None:
    """Its processes start fast, and a first call does not wait for imports."""
    app = "app_code='a', app_secret=Secret('s'), gateway_url='http://127.0.0.1:9/', fast_approval=True"

    assert loaded_by(HOST) & {*HEAVY, *CALLING, "cattrs", "msgspec", "itsm_workflow.pictures"} == set()
    assert loaded_by(f"{HOST}, Secret\nBkItsmGateway(Settings({app}))") & CALLING == CALLING


def test_the_probe_sees_what_is_loaded() -> None:
    """A module that is imported is reported, so that an empty report means something."""
    assert loaded_by("import urllib3") & set(HEAVY) == {"urllib3"}
