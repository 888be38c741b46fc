"""What all of these tests may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from tests.integration.cli.conftest import office

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["authority", "bundle", "office"]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


@pytest.fixture(scope="session")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that makes it trusted."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path
