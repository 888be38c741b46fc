"""Dictionaries that refuse every change, so that the frozen values that hold them can be shared, copied and pickled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")
V = TypeVar("V")


class ReadOnlyDict(dict[K, V]):
    """A dictionary that refuses to be changed; ``dict(it)`` is a copy that can be changed.

    A `types.MappingProxyType` can neither be pickled nor copied deeply.
    """

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a read-only dictionary cannot be changed: change a copy, dict(...)")

    __setitem__: ClassVar[Callable[..., NoReturn]] = _refuse
    __delitem__: ClassVar[Callable[..., NoReturn]] = _refuse
    __ior__: ClassVar[Callable[..., NoReturn]] = _refuse
    clear: ClassVar[Callable[..., NoReturn]] = _refuse
    pop: ClassVar[Callable[..., NoReturn]] = _refuse
    popitem: ClassVar[Callable[..., NoReturn]] = _refuse
    setdefault: ClassVar[Callable[..., NoReturn]] = _refuse
    update: ClassVar[Callable[..., NoReturn]] = _refuse

    def __reduce__(self) -> tuple[type[ReadOnlyDict[K, V]], tuple[dict[K, V]]]:
        """Pickle and copy it by its items: the default would set them one by one."""
        return type(self), (dict(self),)


NOTHING: ReadOnlyDict[str, Any] = ReadOnlyDict()
"""No items: the default of mappings."""
