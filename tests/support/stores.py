"""The stores on which a promise is tested."""

from __future__ import annotations

import pytest

EVERY_STORE = pytest.mark.parametrize("store_kind", ["memory", "sqlite", "json"])
SHARED_STORE = pytest.mark.parametrize("store_kind", ["sqlite", pytest.param("json", marks=pytest.mark.long)])
"""For races and crashes of processes; what a store itself makes of them, the conformance kit tests of each."""
