"""The command ``itsm-workflow``. It imports its libraries late, so that it can report one that is not installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEEDED = frozenset({"click", "rich", "rich_click"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The command-line arguments; by default those of this process.
    """
    try:
        # Imported here, since the extra `cli` may not be installed.
        from itsm_workflow.cli.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        sys.stderr.write(
            f"itsm-workflow needs {error.name}, which is not installed: pip install 'itsm-workflow[cli]'\n"
        )
        return 2
    return run(arguments)
