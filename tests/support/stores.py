"""The stores on which a promise is tested."""

from __future__ import annotations

import pytest

EVERY_STORE = pytest.mark.parametrize("store_kind", ["memory", "sqlite", "json"])
SHARED_STORE = pytest.mark.parametrize("store_kind", ["sqlite", "json"])
