"""Where a value can be imported from, so that a written file can name it."""

from __future__ import annotations

import sys


def home_of(value: object) -> tuple[str, str] | None:
    """Return the module and the name at its top under which a value can be imported, or None."""
    first = getattr(value, "__module__", None)
    for module in sorted(sys.modules, key=lambda name: (name != first, name)):
        if module == "__main__":
            continue  # another process has another one
        for name, held in list(getattr(sys.modules[module], "__dict__", {}).items()):
            if held is value and name.isidentifier():
                return module, name
    return None
