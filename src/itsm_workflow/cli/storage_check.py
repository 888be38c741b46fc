"""The command that tests a storage backend."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any

import attrs
import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, data, facts, table
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.values import Whole, store_url
from itsm_workflow.errors import StorageError
from itsm_workflow.storage.registry import backend_of
from itsm_workflow.storage.url import scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.secrets import SecretURL
    from itsm_workflow.testing.conformance import Result, StorageReport


@click.command()
@click.argument("url", type=store_url)
@click.option(
    "--profile",
    "name",
    type=click.Choice(["quick", "thorough"]),
    default="quick",
    show_default=True,
    help="How thoroughly to test: quick takes seconds, thorough takes minutes.",
)
@click.option("--runs", type=Whole(1), default=1, show_default=True, help="Repeat the whole check this many times.")
@click.option("--only", default="", metavar="TEXT", help="Test only promises whose name contains this.")
@json_option
def check(url: SecretURL, name: str, *, runs: int, only: str, in_json: bool) -> Exit:
    """Test every promise of the storage port on a backend, each on an empty store.

    URL is the place for its stores: a path at which no store exists yet, or an empty store. A store that has data in
    it is refused.
    """
    from itsm_workflow.testing.conformance import PROFILES, StorageReport, check_storage  # noqa: PLC0415 - to save start-up time
    from itsm_workflow.testing.conformance._check import promises_named  # noqa: PLC0415 - the same
    from itsm_workflow.testing.conformance._processes import load_ahead  # noqa: PLC0415 - the same
    from itsm_workflow.testing.conformance._scratch import scratch_stores  # noqa: PLC0415 - the same

    abilities = _abilities(url)
    words = only.replace("_", " ")
    try:
        promises_named(words)
    except ValueError:
        raise click.UsageError(f"no promise has {only!r} in its name") from None
    run, report = 0, StorageReport(profile=name, abilities=abilities, results=())
    load_ahead()
    with _quiet(), _progress() as progress:
        while run < runs and not report.broken:
            run += 1
            with scratch_stores(url) as new_store:
                report = check_storage(
                    new_store, abilities=abilities, profile=PROFILES[name], only=words, told=progress
                )
    if report.stopped:
        click.echo(f"{report.stopped}: {report.broken[report.stopped].reason}", err=True)
    if in_json:
        as_json({"backend": scheme_of(url), "runs": run, **_plain(report)})
    else:
        _show(report, scheme_of(url), run)
    return Exit.FAILED if report.broken else Exit.DONE


def _abilities(url: SecretURL) -> frozenset[str]:
    from itsm_workflow.testing.conformance._base import check_abilities  # noqa: PLC0415 - to save start-up time

    abilities = getattr(backend_of(url), "abilities", None)
    try:
        check_abilities(abilities)
    except (TypeError, ValueError) as error:
        raise StorageError(f"the {scheme_of(url)} backend: {error}", scheme=scheme_of(url)) from error
    return frozenset(abilities or ())


def _show(report: StorageReport, scheme: str, run: int) -> None:
    from itsm_workflow.testing.conformance import ABILITIES, PromiseOutcome  # noqa: PLC0415 - to save start-up time

    declared = {name: "declared" if name in report.abilities else "not declared" for name in ABILITIES}
    facts([("backend", scheme), ("profile", report.profile)])
    data("")
    table(("ability", "", "meaning"), [(name, declared[name], meaning) for name, meaning in ABILITIES.items()])
    data("")
    table(("promise", "outcome", "seconds", ""), map(_line, report.results))
    for result in report.broken.values():
        data("")
        facts(
            [
                ("BROKEN", result.promise),
                ("the port", f'"{result.sentence}"'),
                ("calls", "\n".join(result.calls)),
                ("wrong", result.reason),
            ]
        )
    data("")
    counts = [f"{report.count(outcome)} {outcome}" for outcome in PromiseOutcome if report.count(outcome)]
    data(", ".join(counts) + (f", in run {run}" if run > 1 else ""))


def _line(result: Result) -> tuple[object, ...]:
    broken = result.outcome == "broken"
    outcome = result.outcome.upper() if broken else result.outcome
    return result.promise, outcome, f"{result.seconds:.2f}", "" if broken else result.reason


def _plain(report: StorageReport) -> dict[str, Any]:
    from itsm_workflow.testing.conformance import ABILITIES  # noqa: PLC0415 - to save start-up time

    return {
        "profile": report.profile,
        "abilities": {name: name in report.abilities for name in ABILITIES},
        "broken": len(report.broken),
        "results": [attrs.asdict(result) for result in report.results],
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the log, since backends report stores that the check damages on purpose."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows, on a terminal, the promise under test."""
    shown = sys.stderr.isatty()

    def show(promise: str) -> None:
        if shown:
            click.echo(f"\r\033[K{promise} …", err=True, nl=False)

    try:
        yield show
    finally:
        if shown:
            click.echo("\r\033[K", err=True, nl=False)
