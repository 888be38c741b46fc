"""The defaults of an attrs class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def set_defaults(kind: Callable[..., object], given: Mapping[str, Any]) -> dict[str, object]:
    """Return the fields that have a value, other than False, None or an empty one, although it was not given.

    Args:
        kind: The attrs class.
        given: The arguments of which an instance is made.
    """
    made = kind(**given)
    fields = attrs.fields(type(made))  # type: ignore[arg-type]  # an attrs class
    unset = {field.name: getattr(made, field.name) for field in fields if field.name not in given}
    return {name: value for name, value in unset.items() if value}
