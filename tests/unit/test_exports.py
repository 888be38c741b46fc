"""The public names of the package and of its rooms."""

from __future__ import annotations

import importlib
import re
import sys

import pytest

from itsm_workflow.exports import lazy_module

ROOMS = (
    *("bkapi", "callbacks", "doctor", "gateway", "integrations", "lint", "machine", "sandbox", "settings", "settle"),
    *("storage", "testing"),
)
PACKAGES = ["itsm_workflow", *(f"itsm_workflow.{room}" for room in ROOMS)]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_imported_when_it_is_used(package: str) -> None:
    """Each name of `__all__` exists, is listed by `dir`, and is the same object each time."""
    room = importlib.import_module(package)

    assert len(set(room.__all__)) == len(room.__all__)
    assert set(room.__all__) <= set(dir(room))
    assert [name for name in room.__all__ if getattr(room, name) is not getattr(room, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_raises_attribute_error(package: str) -> None:
    """The error is the usual one, so that `hasattr` and `from ... import` behave as usual."""
    with pytest.raises(AttributeError, match=re.escape(f"module {package!r} has no attribute 'Nothing'")):
        _ = importlib.import_module(package).Nothing


def test_a_module_for_later_is_imported_by_its_first_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before, and its names are those of the module."""
    monkeypatch.delitem(sys.modules, "json.tool", raising=False)
    module = lazy_module("json.tool")

    assert "json.tool" not in sys.modules
    assert module.main is importlib.import_module("json.tool").main
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing


def test_the_version_is_that_of_the_distribution() -> None:
    """It is listed by `dir`, and read when it is used."""
    package = importlib.import_module("itsm_workflow")

    assert re.fullmatch(r"\d+\.\d+\.\d+.*", package.__version__)
    assert "__version__" in dir(package)
