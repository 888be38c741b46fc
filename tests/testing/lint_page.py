"""The outputs on the page about `lint-graph`, as the command prints them: ``python -m tests.testing.lint_page``."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

from itsm_workflow.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "lint-graph.md"
_SHOWN = re.compile(r"(```console\n\$ itsm-workflow ([^\n]*)\n)(.*?)(```)", re.DOTALL)


def printed(arguments: str) -> str:
    """Return what the command prints on standard output, and its exit code where that is not 0."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(shlex.split(arguments))
    return out.getvalue() + (f"$ echo $?\n{code}\n" if code else "")


def renewed(page: str) -> str:
    """Return the page with what the command prints now."""
    return _SHOWN.sub(lambda found: found[1] + printed(found[2]) + found[4], page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
