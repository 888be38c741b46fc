"""Another package that is installed in place of urllib3."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import urllib3
urllib3.AsyncPoolManager = object  # as in urllib3-future
from itsm_workflow.cli import main
raise SystemExit(main(["settle", "collector-42", "--app", "none"]))
"""


def test_urllib3_future_is_refused_with_the_remedy_before_anything_is_sent(tmp_path: Path) -> None:
    """Its connections differ in private methods; a call failed with a bare TypeError, and the change waited for it."""
    variables = {
        "BKAPP_ITSM_APP_CODE": "shop",
        "BKAPP_ITSM_APP_SECRET": "s",
        "BKAPP_ITSM_STORE": f"sqlite:///{tmp_path}/changes.db",
        "BKAPP_ITSM_FAST_APPROVAL": "1",
        "BKAPP_ITSM_GATEWAY_URL": "http://127.0.0.1:9/",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=variables, check=False, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("itsm-workflow: urllib3-future replaces urllib3 here")
    assert "pip uninstall urllib3-future" in done.stderr
    assert "Traceback" not in done.stderr
