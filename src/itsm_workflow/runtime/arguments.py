"""Checks of a method's arguments, made before anything is done, with errors that name the argument."""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from itsm_workflow.calling import why_not_called
from itsm_workflow.deferred import close_deferred, why_deferred
from itsm_workflow.errors import SettingsError
from itsm_workflow.form import Problem, shown
from itsm_workflow.gateway.checked import GATEWAY_NAME, is_gateway_name
from itsm_workflow.machine.definition import WorkflowDefinition
from itsm_workflow.policy import Policy
from itsm_workflow.secrets import SecretURL
from itsm_workflow.storage.registry import HostEngine
from itsm_workflow.text import kind_of

_PROBLEM_PARTS = 3
_CALLED_WITH: Mapping[str, Sequence[str]] = {
    "form_check": ("form",),
    "after_callback": ("change_id",),
    "authorize": ("actor", "act", "change"),
    "on_entry": ("change", "entry"),
    "on_trouble": ("change_id", "error"),
    "traceparent": (),
}
_HOST_FUNCTIONS = ("form_check", "after_callback", "authorize")
_OBSERVER_METHODS = ("on_entry", "on_trouble", "traceparent")
_FIRST = dt.datetime.min.replace(tzinfo=dt.UTC)


def check_whole(argument: str, value: object, *, least: int) -> None:
    """Reject a value that is not a whole number of at least ``least``.

    Args:
        argument: The method and the argument, as in ``reconcile(limit=...)``.
        value: The value that was passed.
        least: The lowest valid number.

    Raises:
        TypeError: The value is not a whole number; a bool does not count as a number.
        ValueError: The value is below ``least``.
    """
    rule = f"{argument} takes a whole number of at least {least}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{rule}, not {shown(value)}")
    if value < least:
        raise ValueError(f"{rule}, not {shown(value)}")


def check_seconds(argument: str, value: object, *, least: float = 0, most: float = math.inf) -> None:
    """Reject a value that is not a number of seconds from ``least`` to ``most``; infinity means no limit.

    Raises:
        TypeError: The value is not a number; a bool does not count as a number.
        ValueError: The value is below ``least``, above ``most``, NaN, or an integer that no float can hold.
    """
    bounds = f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:.0f}"
    rule = f"{argument} takes a number of seconds {bounds}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{rule}, not {shown(value)}")
    too_large = value > sys.float_info.max and value != math.inf
    if too_large or not least <= value <= most:  # NaN compares false
        raise ValueError(f"{rule}, not {shown(value)}")


def check_chance(argument: str, value: object) -> None:
    """Reject a value that is not a number from 0 to 1.

    Raises:
        TypeError: The value is not a number; a bool does not count as a number.
        ValueError: The value is below 0, above 1, or NaN.
    """
    rule = f"{argument} takes a number from 0 to 1"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{rule}, not {shown(value)}")
    if not 0 <= value <= 1:  # NaN compares false
        raise ValueError(f"{rule}, not {shown(value)}")


def checked_age(argument: str, value: object, now: dt.datetime) -> dt.timedelta:
    """Return an age after checking it.

    Raises:
        TypeError: The value is not a timedelta.
        ValueError: The value is below 0, or reaches back before the year 1.
    """
    rule = f"{argument} takes a timedelta of at least 0 that does not reach back before the year 1"
    if not isinstance(value, dt.timedelta):
        raise TypeError(f"{rule}, not {shown(value)}")
    if not dt.timedelta() <= value <= now - _FIRST:
        raise ValueError(f"{rule}, not {shown(value)}")
    return value


def check_text(argument: str, value: object) -> None:
    """Reject a value that is not text.

    Raises:
        TypeError: The value is not a string.
    """
    if not isinstance(value, str):
        raise TypeError(f"{argument} takes text, not {shown(value)}")


def check_flag(argument: str, value: object) -> None:
    """Reject a value that is not a bool: the text ``no`` is true.

    Raises:
        TypeError: The value is neither True nor False.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{argument} takes True or False, not {shown(value)}")


def check_callable(argument: str, value: object) -> Callable[..., object]:
    """Return a value that is callable.

    Raises:
        TypeError: The value is not callable.
    """
    if not callable(value):
        raise TypeError(f"{argument} takes a function, not {shown(value)}")
    return value


def check_function(argument: str, value: object, *takes: str, may_yield: bool = False) -> None:
    """Reject a value that is not a function which runs when it is called.

    Args:
        argument: The method and the argument.
        value: The value that was passed.
        takes: The names of the arguments with which the function is called, by position.
        may_yield: Whether a generator function is fine, because what it yields is read.

    Raises:
        TypeError: The value is not callable, is an async function or a generator function, or does not take the
            arguments.
    """
    function = check_callable(argument, value)
    wrong = why_deferred(function, may_yield=may_yield)
    if wrong:
        raise TypeError(f"{argument} takes an ordinary function, not {wrong}")
    wrong = why_not_called(function, *takes)
    if wrong:
        raise TypeError(f"{argument}: the function {wrong}")


def checked_problems(found: object) -> Sequence[Problem]:
    """Return the problems that a host's check of a form returned.

    Raises:
        TypeError: The check returned anything but problems, such as None.
    """
    rule = "it must return a list of (field, value, rule), all three as text; an empty list if there is no problem"
    if isinstance(found, str) or not isinstance(found, Iterable):
        close_deferred(found)
        raise TypeError(f"form_check returned {shown(found)}: {rule}")
    listed = tuple(found)
    for one in listed:
        if not (isinstance(one, tuple) and len(one) == _PROBLEM_PARTS and all(isinstance(part, str) for part in one)):
            raise TypeError(f"form_check returned {shown(listed)}: {rule}")
    return listed


def checked_names(method: str, name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return the names in a list, as plain strings.

    Raises:
        TypeError: The value is a single string, whose letters would be taken as names, or an item is not a string.
    """
    rule = f"{method}({name}=...) takes a list of names"
    if isinstance(values, str):
        raise TypeError(f"{rule}, not a single string: write {name}=[{shown(str.__str__(values))}]")
    if not isinstance(values, Iterable):
        raise TypeError(f"{rule}, not {shown(values)}")
    listed = tuple(values)
    for value in listed:
        if not isinstance(value, str):
            raise TypeError(f"{rule}, but {shown(value)} is not a string")
    return tuple(map(str.__str__, listed))


def check_known(argument: str, values: Iterable[str], known: Iterable[str], what: str) -> None:
    """Reject a name that is not known, since a filter by it matches nothing.

    Args:
        argument: The method and the argument, or the option of a command.
        values: The names that were passed.
        known: The known names.
        what: What the names name, such as ``the states of collector_change``.

    Raises:
        ValueError: A name is not known; the message lists those that are.
    """
    names = [str(name) for name in known]
    for value in values:
        if value not in names:
            raise ValueError(f"{argument} takes {what}: {', '.join(names)}; not {shown(value)}")


def check_states(argument: str, values: Iterable[str], definition: WorkflowDefinition) -> None:
    """Reject a state that the definition does not have.

    Raises:
        ValueError: A state is unknown; the message lists those of the definition.
    """
    check_known(argument, values, (state.value for state in definition.states), f"the states of {definition.name}")


def check_parts(parts: Mapping[str, Any], *, moments: Sequence[str]) -> None:
    """Reject an argument of `Workflow` that is not what it should be, before any part is used.

    Args:
        parts: The arguments by name.
        moments: The names that ``after_callback`` accepts.

    Raises:
        TypeError: An argument has the wrong type; the message names it.
    """
    storage, gateway, effects, form_check = (parts[name] for name in ("storage", "gateway", "effects", "form_check"))
    settings, clock, after = parts["settings"], parts["clock"], parts["after_callback"]
    for name, fits, wanted in (
        (
            "storage",
            isinstance(storage, SecretURL | HostEngine) or _is_object_with("history", storage),
            "the URL of a store, such as sqlite:///itsm.db, or an open store, as open_storage returns it, or an engine",
        ),
        ("gateway", _is_object_with("create", gateway), "a TicketGateway, for example a BkItsmGateway"),
        (
            "gateway",
            is_gateway_name(getattr(gateway, "name", None)),
            f"a TicketGateway whose name is {GATEWAY_NAME}, since the name is stored with each ticket",
        ),
        ("definition", isinstance(parts["definition"], WorkflowDefinition), "a WorkflowDefinition"),
        ("policy", isinstance(parts["policy"], Policy), "a Policy"),
        ("effects", effects is None or isinstance(effects, Mapping), "lists of Effect by state, as a dictionary"),
        ("form_check", form_check is None or callable(form_check), "a function of a Form"),
        (
            "settings",
            settings is None or _is_object_with("deadline", settings),
            "Settings, such as Settings.from_env()",
        ),
        ("callbacks", isinstance(parts["callbacks"], bool), "True or False"),
        ("after_callback", callable(after) or after in moments, f"{', '.join(moments)} or a function"),
        ("observers", _are_observers(parts["observers"]), "a list of objects with on_entry and on_trouble"),
        (
            "authorize",
            parts["authorize"] is None or callable(parts["authorize"]),
            "a function of the actor, the act and the change",
        ),
        ("clock", clock is None or _is_object_with("boot", clock), "a Clock"),
        ("entropy", callable(parts["entropy"]), "a function of a number of bytes, such as os.urandom"),
    ):
        if not fits:
            raise TypeError(f"Workflow({name}=...) takes {wanted}{_not_given(name, parts[name])}")
    for name in _HOST_FUNCTIONS:
        if callable(parts[name]):
            check_function(f"Workflow({name}=...)", parts[name], *_CALLED_WITH[name], may_yield=name == "form_check")
    for observer in parts["observers"]:
        for name in _OBSERVER_METHODS:
            method = getattr(observer, name, None)
            if callable(method):
                where = f"Workflow(observers=...): {name} of a {type(observer).__name__}"
                check_function(where, method, *_CALLED_WITH[name])


def _not_given(name: str, value: object) -> str:
    """Return ``, not …`` with the type of a wrong argument; the value is not shown, since it may hold a secret.

    A gateway whose name is wrong and a list with a wrong item have the right type, so it would explain nothing.
    """
    if name == "after_callback":
        return f", not {shown(value)}"
    if (name == "gateway" and _is_object_with("create", value)) or (name == "observers" and isinstance(value, list)):
        return ""
    return f", not {kind_of(value)}"


def check_deadline(policy: Policy, deadline: dt.timedelta) -> None:
    """Reject a policy whose times are too short for one call of the gateway.

    Raises:
        SettingsError: One call may take longer than the policy allows for it.
    """
    misfits = policy.misfits(deadline)
    if misfits:
        call = f"one call of the gateway may take {deadline.total_seconds():g} s"
        raise SettingsError(f"{call}: {'; '.join(misfits)}; change these, or lower BKAPP_ITSM_DEADLINE")


def _are_observers(observers: object) -> bool:
    wanted = ("on_entry", "on_trouble")
    return (
        isinstance(observers, Sequence)
        and not isinstance(observers, str | bytes)
        and all(_is_object_with(name, one) for one in observers for name in wanted)
    )


def _is_object_with(name: str, value: object) -> bool:
    """Return whether a value has the attribute and is not the class of such objects, which has it as well."""
    return hasattr(value, name) and not isinstance(value, type)
