"""``python -m itsm_workflow``: the same as the command ``itsm-workflow``."""

from __future__ import annotations

import sys

from itsm_workflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
