"""A server's URL on an installation without the extra that it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.limits import PATIENCE


def run_without(module: str, statement: str) -> str:
    """Run a statement in a process in which that module cannot be imported, and return its output."""
    program = f"import sys\nsys.modules[{module!r}] = None\n{statement}"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, encoding="utf-8", timeout=PATIENCE
    )
    return done.stdout


@pytest.mark.parametrize(
    ("scheme", "extra", "module"),
    [
        ("postgresql", "postgres", "psycopg"),
        ("postgresql", "postgres", "sqlalchemy"),
        ("postgresql", "postgres", "alembic"),
        ("mysql", "mysql", "pymysql"),
        ("mysql", "mysql", "sqlalchemy"),
    ],
)
def test_the_error_names_the_extra(scheme: str, extra: str, module: str) -> None:
    """The message says what to install, and shows nothing of the URL."""
    opening = (
        "from itsm_workflow import open_storage\n"
        "from itsm_workflow.errors import StorageError\n"
        f"try: open_storage('{scheme}://u:geheim@h/d')\n"
        "except StorageError as error: print(error)"
    )
    said = run_without(module, opening)
    assert f"pip install 'itsm-workflow[{extra}]'" in said
    assert "geheim" not in said


def test_other_commands_work_without_the_extras() -> None:
    """A list of the backends with an ability leaves out those that cannot be imported."""
    asking = "from itsm_workflow.storage.registry import loadable_backends\nprint(*sorted(loadable_backends()))"
    assert run_without("sqlalchemy", asking).split() == ["django", "json", "memory", "sqlite"]
