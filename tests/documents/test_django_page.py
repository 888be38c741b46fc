"""The files in the guide for Django are a project that Django accepts, and whose routes answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.limits import PATIENCE

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "django.md"
PROGRAM = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()

import pathlib
from django.core.management import call_command
from django.test import Client
from django.test.utils import setup_test_environment
from importlib import import_module
setup_test_environment()

call_command("check", fail_level="WARNING")
for path in sorted(pathlib.Path("shop").glob("*.py")):
    import_module(f"shop.{path.stem}")
answer = Client().post("/itsm/callback/01HY2V8Q0000000000000000AB/1/", b"{}", content_type="application/json")
assert answer.status_code == 401, answer.content
assert Client().get("/itsm/42/collect_itsm_status/").status_code == 403
assert import_module("shop.services").get_workflow().newest("collector-42") is None
"""


def files() -> dict[str, str]:
    """Return the files of the page, by path."""
    blocks = re.findall(r"^```py\n# (\S+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return dict(blocks)


def test_the_project_of_the_page_works(tmp_path: Path) -> None:
    """The checks find nothing, every module can be imported, and the routes are where the page says."""
    assert len(files()) >= 6
    for name, text in files().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr


def test_the_reference_lists_every_check() -> None:
    """With its number."""
    source = (PAGE.parents[2] / "src/itsm_workflow/integrations/django/checks.py").read_text(encoding="utf-8")
    numbers = set(re.findall(r'"([EW]\d{3})"', source))
    listed = re.findall(r"`itsm_workflow\.([EW]\d{3})`", (PAGE.parents[1] / "reference/django.md").read_text("utf-8"))
    assert sorted(numbers) == sorted(listed)
