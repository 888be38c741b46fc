"""Two versions of a host's workflow: the newer one has a state, triggers, evidence and an effect of its own."""

from __future__ import annotations

import enum
import os
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow import Effect, Roles, Transition, approval_workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow import ChangeRequest, EffectCall, Facts, WorkflowDefinition


class OldState(enum.StrEnum):
    """The states of the older version."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    GRANTED = "granted"
    LIVE = "live"
    REFUSED = "refused"


class NewState(enum.StrEnum):
    """The states of the newer version: one more."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    GRANTED = "granted"
    CHECKING = "checking"
    LIVE = "live"
    REFUSED = "refused"


class Verb(enum.StrEnum):
    """The triggers of both versions."""

    DEPLOY = "deploy"
    MEASURE = "measure"
    CHECK = "check"


@attrs.frozen(kw_only=True)
class Deployed:
    """Evidence of both versions; the newer one stores the region too, in a class of the same name."""

    host: str


@attrs.frozen(kw_only=True)
class Measured:
    """Evidence of the newer version."""

    size: int


def _newer_deployed() -> type:
    """Return the newer version's class of that name."""

    @attrs.frozen(kw_only=True)
    class Deployed:
        """With one more field, which has a default, so that older entries can be read."""

        host: str
        region: str = ""

    return Deployed


NewDeployed = _newer_deployed()


def with_host(facts: Facts) -> ChangeRequest:
    """Add the host to the data of any version."""
    return attrs.evolve(facts.change, data={**facts.change.data, "host": getattr(facts.evidence, "host", "")})


def with_size(facts: Facts) -> ChangeRequest:
    """Add the size, which only the newer version knows."""
    return attrs.evolve(facts.change, data={**facts.change.data, "size": facts.expect(Measured).size})


def _table(states: Any, version: int, rows: Sequence[Transition], effects: tuple[str, ...]) -> WorkflowDefinition:  # noqa: ANN401 - either enum
    return approval_workflow(
        "rollout",
        version=version,
        states=states,
        roles=Roles(
            asking=states.FILING,
            waiting=states.WAITING,
            undelivered=states.UNDELIVERED,
            granted=states.GRANTED,
            refused=states.REFUSED,
        ),
        transitions=rows,
        grants={states.LIVE: True},
        effects={states.GRANTED: effects},
    )


def old(version: int = 1) -> WorkflowDefinition:
    """Return the older version."""
    deploy = Transition(
        trigger=Verb.DEPLOY, sources=(OldState.GRANTED,), dest=OldState.LIVE, evidence=Deployed, update=with_host
    )
    return _table(OldState, version, (deploy,), ("start",))


def new(version: int = 2) -> WorkflowDefinition:
    """Return the newer version."""
    granted, checking = NewState.GRANTED, NewState.CHECKING
    rows = (
        Transition(trigger=Verb.MEASURE, sources=(granted,), dest=None, evidence=Measured, update=with_size),
        Transition(trigger=Verb.CHECK, sources=(granted,), dest=checking, evidence=Measured, update=with_size),
        Transition(
            trigger=Verb.DEPLOY,
            sources=(granted, checking),
            dest=NewState.LIVE,
            evidence=NewDeployed,
            update=with_host,
        ),
    )
    return _table(NewState, version, rows, ("start", "notify"))


def effects_of(names: Sequence[str], log: str) -> Mapping[str, Sequence[Effect]]:
    """Return the functions of a process that delivers effects: each adds a line with the effect's id to a file."""

    def noting(call: EffectCall) -> None:
        line = f"{call.id}\n".encode()
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)

    return {"granted": [Effect(name, noting) for name in names]} if names else {}


VERSIONS: Mapping[str, Callable[[], WorkflowDefinition]] = {"old": old, "new": new, "unraised": lambda: new(version=1)}
EVIDENCE: Mapping[str, Mapping[str, type]] = {
    "old": {"deploy": Deployed},
    "new": {"deploy": NewDeployed, "measure": Measured, "check": Measured},
    "unraised": {"deploy": NewDeployed, "measure": Measured, "check": Measured},
}
FUNCTIONS: Mapping[str, tuple[str, ...]] = {"web": (), "reconciler": ("start", "notify"), "old reconciler": ("start",)}
