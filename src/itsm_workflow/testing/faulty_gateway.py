"""A gateway of any kind whose calls are carried out by a function of the test."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow.settings import Settings

CALLS = (
    "create",
    "read",
    "results",
    "find_by_key",
    "find_by_sn",
    "withdraw",
    "services",
    "undelivered",
    "verify_token",
    "iframe_url",
    "standing",
    "suspend",
    "resume",
    "service",
    "check_service_form",
)
"""The methods that ask the ticket system."""

BY_NAME = frozenset({"service", "check_service_form"})
"""The methods among them that most gateways answer from their settings."""

_DERIVES = ("within", "comparing")
_METHODS = frozenset({*CALLS, *_DERIVES, "check_form", "preview", "time", "resting"})


@attrs.frozen(kw_only=True)
class GatewayCall:
    """One call of a gateway.

    Attributes:
        name: The name of the method, such as ``create``.
        args: Its positional arguments.
        kwargs: Its named arguments.
        deliver: Carries out the call at the wrapped gateway, and returns its answer.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    deliver: Callable[[], Any] = attrs.field(repr=False)


class FaultyGateway:
    """A gateway that passes each of its calls to a function, and has the abilities and attributes of another gateway.

    Args:
        gateway: The other gateway.
        carry_out: Carries out a call, and returns the answer.
    """

    def __init__(self, gateway: object, carry_out: Callable[[GatewayCall], object]) -> None:
        self.__dict__.update(_gateway=gateway, _carry_out=carry_out)
        for name in _METHODS:
            self._install(name)

    @property  # type: ignore[misc]  # that of an object can be written
    def __class__(self) -> type:
        """The class of the gateway, for `isinstance`."""
        return type(self._gateway)

    @property
    def name(self) -> str:
        """The name that is stored with each ticket."""
        return str(self._gateway.name)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an attribute of the gateway
        return getattr(self._gateway, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._gateway, name, value)
        self._install(name)

    def __delattr__(self, name: str) -> None:
        delattr(self._gateway, name)
        self._install(name)

    def _install(self, name: str) -> None:
        """Add a method to the instance: the check for an ability does not find what only `__getattr__` returns."""
        self.__dict__.pop(name, None)
        method = getattr(self._gateway, name, None)
        if name not in _METHODS or method is None:
            return
        if name in CALLS:
            method = partial(self._call, name, method)
        elif name in _DERIVES:
            method = partial(self._derive, method)
        self.__dict__[name] = method

    def _call(self, name: str, method: Callable[..., object], *args: object, **kwargs: object) -> object:
        return self._carry_out(
            GatewayCall(name=name, args=args, kwargs=kwargs, deliver=partial(method, *args, **kwargs))
        )

    def _derive(self, method: Callable[..., object], *args: object) -> object:
        """Return a gateway that is derived from this one, with the same function."""
        return type(self)(method(*args), self._carry_out)


class FaultyGatewayWithSettings(FaultyGateway):
    """The same for a gateway that was built from settings."""

    @property
    def settings(self) -> Settings:
        """The settings that a workflow takes from its gateway."""
        settings: Settings = self._gateway.settings
        return settings
