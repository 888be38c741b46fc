"""A disk that fails, is full, read-only or damaged, and other things where the store should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.cases import row
from tests.faults.syscalls import TROUBLES, run_preloaded

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.cases import Faults


@pytest.mark.parametrize("trouble", [name for name in TROUBLES if not name.startswith("killed")])
@pytest.mark.parametrize("kind", ["sqlite", "json"])
@row("S1", quick=False)
def test_s1_call_of_the_system_fails(faults: Faults, folder: Path, kind: str, trouble: str) -> None:
    """Each write, sync, cut, rename and unlink of an apply: the error surfaces or does no harm, nothing is sent for it."""
    run_preloaded(faults, folder, "trouble", kind, trouble)
    faults.note(f"{kind}, {trouble}: {faults.found} calls found, {faults.ran} run")
