"""The collection of broken backends, and its table in the documentation: python -m tests.conformance.collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance import (
    toy_server,
    zoo,
    zoo_answers,
    zoo_closing,
    zoo_damage,
    zoo_errors,
    zoo_filters,
    zoo_hidden,
    zoo_interrupted_code,
    zoo_interrupts,
    zoo_making,
    zoo_many,
    zoo_meanwhile,
    zoo_naming,
    zoo_orders,
    zoo_races,
    zoo_sizes,
    zoo_spelling,
    zoo_taking_over,
    zoo_undoing,
    zoo_unique,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.conformance.caught import Caught

COLLECTION: Mapping[str, Mapping[Any, Caught]] = {
    "Answers, versions and unique values": {**zoo_answers.ZOO, **zoo.ZOO, **zoo_unique.ZOO},
    "Queries": zoo_filters.ZOO,
    "Many values": zoo_many.ZOO,
    "Sizes and numbers": zoo_sizes.ZOO,
    "Spelling and time": zoo_spelling.ZOO,
    "Races": {
        **zoo_races.ZOO,
        **zoo_naming.ZOO,
        **zoo_orders.ZOO,
        **zoo_meanwhile.ZOO,
        **zoo_taking_over.ZOO,
        **zoo_closing.ZOO,
    },
    "Making, opening, and what a call leaves behind": zoo_making.ZOO,
    "Errors, locks and power cuts": {**zoo_errors.ZOO, **zoo_undoing.ZOO, **zoo_hidden.ZOO},
    "Signals, failing locks and clocks": {**zoo_interrupts.ZOO, **zoo_interrupted_code.ZOO},
    "Damage": zoo_damage.ZOO,
}
"""By class of defect, the broken backends that need no server, and how each is caught."""

ALL: Mapping[str, Mapping[Any, Caught]] = {**COLLECTION, "Errors of a connection": toy_server.ZOO}
"""The same with those that do."""


def table() -> Iterator[str]:
    """Yield the lines of the table."""
    for kind, members in ALL.items():
        yield f"## {kind}"
        yield ""
        yield "| broken backend | what it would do to a user | promise that catches it |"
        yield "| --- | --- | --- |"
        for backend, caught in members.items():
            defect = (backend.__doc__ or "").split("\n", 1)[0]
            yield f"| {defect} | {caught.harm} | *{caught.promise}* |"
        yield ""


if __name__ == "__main__":
    print(*table(), sep="\n")  # noqa: T201  # to be put into the page
