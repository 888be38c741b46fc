"""The host's permissions: a function that is asked before each act of a person, and the refusals in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import attrs

from itsm_workflow.deferred import close_deferred
from itsm_workflow.errors import NotPermitted
from itsm_workflow.form import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itsm_workflow.change import ChangeRequest

logger = logging.getLogger("itsm_workflow.permissions")


@attrs.frozen
class Act:
    """An act that a person is about to carry out, for the function of ``Workflow(authorize=...)``.

    Attributes:
        name: The name of the method of `Workflow`; ``apply`` also for each request of `apply_many`, and ``fire(name)``
            for a trigger, as `Workflow.allowed` lists it.
        subject: The subject of the change.
    """

    name: str
    subject: str


Authorize: TypeAlias = Callable[[str, Act, "ChangeRequest | None"], bool]
"""A host's function of the actor, the act and the change as it is now, None before it exists. It returns a bool."""


class Permissions:
    """Asks the host whether a person may carry out an act.

    Args:
        authorize: The host's function; None permits every act.
    """

    def __init__(self, authorize: Authorize | None = None) -> None:
        self._authorize = authorize
        self.are_asked: bool = authorize is not None

    def allow(self, actor: str, act: Act, change: ChangeRequest | None) -> bool:
        """Return whether the host permits an act.

        Raises:
            TypeError: The host's function returned neither True nor False: the text ``no`` is true, and a coroutine is.
        """
        if self._authorize is None:
            return True
        answer: object = self._authorize(actor, act, change)
        if not isinstance(answer, bool):
            close_deferred(answer)
            name = getattr(self._authorize, "__qualname__", type(self._authorize).__name__)
            raise TypeError(
                f"the function {name} of Workflow(authorize=...) must return True or False, not {shown(answer)}; "
                f"{act.name} was not carried out"
            )
        return answer

    def permitted(self, actor: str, names: Iterable[str], change: ChangeRequest) -> tuple[str, ...]:
        """Return those of the acts that the host permits on a change."""
        return tuple(name for name in names if self.allow(actor, Act(name, change.subject), change))

    def refusal(self, actor: str, act: Act, change: ChangeRequest | None) -> NotPermitted | None:
        """Return None if the host permits an act; otherwise log the refusal in one line, and return the error."""
        if self.allow(actor, act, change):
            return None
        change_id = "" if change is None else change.id
        error = NotPermitted(actor=actor, act=act.name, subject=act.subject, change_id=change_id)
        facts = {"itsm_request_id": change_id, "itsm_actor": actor, "itsm_act": act.name, "itsm_subject": act.subject}
        logger.warning("%s", error, extra=facts)
        return error

    def check(self, actor: str, act: Act, change: ChangeRequest | None) -> None:
        """Ask the host before an act.

        Raises:
            NotPermitted: The host refuses it.
        """
        refused = self.refusal(actor, act, change)
        if refused is not None:
            raise refused
