"""What all of these tests may ask for."""

from __future__ import annotations

from tests.integration.cli.conftest import office

__all__ = ["office"]
