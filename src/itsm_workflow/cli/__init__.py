"""The command ``itsm-workflow``. Light until it is known that what it needs is installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEEDED = frozenset({"click", "rich", "rich_click"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The words behind the command's name; by default those of this process.
    """
    try:
        # Imported here, since the extra that brings the terminal's libraries may not be installed.
        from itsm_workflow.cli.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        sys.stderr.write(f"itsm-workflow needs {error.name} here: pip install 'itsm-workflow[cli]'\n")
        return 2
    return run(arguments)
