"""What the page about `verify` shows, written by what it tells of: ``python -m tests.exploration`` renews it."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.cli import main
from itsm_workflow.testing.exploration import INVARIANTS, PAIR_INVARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "verify.md"
WHOLE = "verify"
_SHOWN = re.compile(r"(```console\n\$ itsm-workflow ([^\n]*)\n)(.*?)(```)", re.DOTALL)
_PROMISES = re.compile(r"(\| promise \| sentence \|\n\| --- \| --- \|\n)((?:\|.*\n)*)")
_EXAMPLE = re.compile(r"```python\n(.*?)```.*?(```text\n)(.*?)(```)", re.DOTALL)


def printed(arguments: str) -> str:
    """Return what the command prints on standard output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(shlex.split(arguments))
    return out.getvalue()


def promises(of: Sequence[Callable[..., object]] = INVARIANTS) -> str:
    """Return the rows of all invariants of one change, or of the given ones."""
    sentences = ((one.__name__, (one.__doc__ or "").partition("\n")[0]) for one in of)
    return "".join(f"| `{name}` | {sentence} |\n" for name, sentence in sentences)


def example(page: str) -> str:
    """Return what the example on the page prints."""
    program = _EXAMPLE.search(page)
    if program is None:
        raise ValueError("the page has no example")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(program[1], {"__name__": "example"})  # noqa: S102 - a program of this repository
    return out.getvalue()


def without_seconds(text: str) -> str:
    """Return a text without how long something took."""
    return re.sub(r"(?m)^(seconds +)[0-9.]+", r"\1…", text)


def renewed(page: str, *, whole: bool) -> str:
    """Return the page with what is true now.

    Args:
        page: The page.
        whole: Whether to walk everything as well, which the command does without arguments, and which takes a while.
    """
    tables = iter((PAIR_INVARIANTS, INVARIANTS))  # in the order of the page
    page = _PROMISES.sub(lambda found: found[1] + promises(next(tables)), page)
    page = _EXAMPLE.sub(lambda found: found[0].replace(found[2] + found[3], found[2] + example(page)), page)
    return _SHOWN.sub(
        lambda found: found[1] + printed(found[2]) + found[4] if whole or found[2] != WHOLE else found[0], page
    )
