"""The name under which a value can be imported, for the files that the simulation writes."""

from __future__ import annotations

import sys


def home_of(value: object) -> tuple[str, str] | None:
    """Return the module and the module-level name under which a value can be imported, or None."""
    first = getattr(value, "__module__", None)
    for module in sorted(sys.modules, key=lambda name: (name != first, name)):
        if module == "__main__":
            continue  # the name differs in another process
        for name, held in list(getattr(sys.modules[module], "__dict__", {}).items()):
            if held is value and name.isidentifier():
                return module, name
    return None
