"""Lazy imports: the public names of a package, and modules, are imported when they are first used.

So importing a package stays cheap, and loads an HTTP library, a framework or a test tool only for a name that needs it.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def exports(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package.

    Args:
        package: The name of the package.
        names: By module of the package, its public names, separated by blanks.
    """
    modules = {name: module for module, listed in names.items() for name in listed.split()}

    def imported(name: str) -> Any:  # noqa: ANN401 - a module's names are of any type
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return imported, listed


class _LazyModule:
    """A module that is imported when one of its names is first used."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: Any = None

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401 - a module's names are of any type
        if self._module is None:
            self._module = importlib.import_module(self._name)
        return getattr(self._module, attribute)


def lazy_module(module: str) -> Any:  # noqa: ANN401 - to a type checker, the caller imports the module itself
    """Return an object with the names of a module, which is imported when the first of them is used."""
    return _LazyModule(module)
