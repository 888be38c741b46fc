"""Functions of a host that do not take the arguments with which the library calls them.

Such a function would raise a `TypeError` at its first call, which can be days after the program started: an effect is
called only after an approval.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def why_not_called(function: Callable[..., object], *arguments: str, keyword: str = "") -> str:
    """Return what is wrong with a function that does not take its arguments; empty if it does, or if this is not known.

    Args:
        function: The function. The parameters of some that are written in C are not known.
        arguments: The names of the arguments, which are passed by position.
        keyword: The name of one more argument that is passed by its name; empty if all are passed by position.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError, NameError):  # NameError: an annotation has a name for type checkers only
        return ""
    try:
        signature.bind(*arguments, **dict.fromkeys([keyword] if keyword else []))
    except TypeError as error:
        called = ", ".join((*arguments, f"{keyword}=True") if keyword else arguments)
        return f"is called with ({called}), which it does not take: {error}"
    return ""
