"""The command that tests a storage backend."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import attrs
import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, clean, data, facts, note, table
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.storage_threads import ending_without_threads
from itsm_workflow.cli.values import Seconds, Whole, store_url
from itsm_workflow.errors import StorageError
from itsm_workflow.storage.registry import backend_of
from itsm_workflow.storage.url import scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.secrets import SecretURL
    from itsm_workflow.testing.conformance import Result, StorageReport

_BY_SIGNAL = 128
"""Added to a signal's number, the exit code of a process that it ends, as in a shell."""

_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_OUTCOME, _SECONDS = len("not declared"), len("seconds")


@click.command()
@click.argument("url", type=store_url, required=False)
@click.option(
    "--list", "listing", is_flag=True, help="Print the names of the promises and their groups, and test none."
)
@click.option(
    "--profile",
    "name",
    type=click.Choice(["quick", "thorough"]),
    default="quick",
    show_default=True,
    help="How thoroughly to test. On an idle machine a quick check takes from five seconds (a store in memory) "
    "to half a minute (files that are synced), a thorough one from two minutes to ten.",
)
@click.option("--runs", type=Whole(1), default=1, show_default=True, help="Repeat the whole check this many times.")
@click.option(
    "--only",
    multiple=True,
    metavar="TEXT",
    help="Test only promises whose name contains this, or whose group has this name. Several texts: those that one of "
    "them chooses. --list prints the names.",
)
@click.option(
    "--patience",
    type=Seconds(0.1),
    metavar="SECONDS",
    help="Time after which a call that has not returned is reported as blocked; longer if the first calls were slow. "
    "The default is 120 seconds.",
)
@click.option(
    "--times",
    "timed",
    is_flag=True,
    help="Test one promise after the other, and print in the end how long each of them took and how much of the "
    "processor, the slowest first.",
)
@json_option
def check(
    url: SecretURL | None,
    name: str,
    *,
    listing: bool,
    runs: int,
    only: tuple[str, ...],
    patience: float | None,
    timed: bool,
    in_json: bool,
) -> Exit:
    """Test every promise of the storage port on a backend, each on an empty store.

    URL is the place for its stores: a path at which no store exists yet, or an empty store. A store that has data in
    it is refused.
    """
    with ending_without_threads() as end:
        end.code = _check(
            url, name, listing=listing, runs=runs, only=only, patience=patience, timed=timed, in_json=in_json
        )
    return end.code


def _check(
    url: SecretURL | None,
    name: str,
    *,
    listing: bool,
    runs: int,
    only: tuple[str, ...],
    patience: float | None,
    timed: bool,
    in_json: bool,
) -> Exit:
    from itsm_workflow.testing.conformance import PROFILES, StorageReport, check_storage  # noqa: PLC0415 - to save start-up time
    from itsm_workflow.testing.conformance._base import Misused  # noqa: PLC0415 - the same
    from itsm_workflow.testing.conformance._check import promises_named  # noqa: PLC0415 - the same
    from itsm_workflow.testing.conformance._kit import group_of  # noqa: PLC0415 - the same
    from itsm_workflow.testing.conformance._processes import load_ahead  # noqa: PLC0415 - the same
    from itsm_workflow.testing.conformance._scratch import scratch_stores  # noqa: PLC0415 - the same

    words = tuple(text.replace("_", " ") for text in only)
    try:
        chosen = promises_named(words)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if listing:
        _list([(name, group_of(method)) for name, (method, _) in chosen.items()], in_json=in_json)
        return Exit.DONE
    if url is None:
        raise click.UsageError("name the URL of the store to test, or give --list")
    abilities, scheme = _abilities(url), scheme_of(url)
    run, report, left = 0, StorageReport(profile=name, abilities=abilities, results=()), list[str]()
    printer = _Printer(report, scheme, max(map(len, chosen)), in_json=in_json)
    try:
        with _quiet(), _prints_of_the_backend(to_stderr=in_json):
            load_ahead()
            while run < runs and not report.broken:
                run += 1
                printer.run, printer.known = run, []
                with _ended_by_signals(), scratch_stores(url, left) as new_store:
                    report = check_storage(
                        new_store,
                        abilities=abilities,
                        profile=PROFILES[name],
                        only=words,
                        progress=printer.begin,
                        ended=printer.end,
                        patience=patience,
                        waiting=printer.wait,
                        timed=timed,
                    )
    except Misused as error:
        raise StorageError(f"the {scheme} backend: {error}", scheme=scheme) from error
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error, EndedBySignal):
            wrong = f"the {scheme} backend raised SystemExit({error.code!r}), which ends the program that calls it"
            raise StorageError(f"{wrong}; raise StorageError instead", scheme=scheme) from error
        printer.finish(left)
        note(f"the check was interrupted: {len(printer.known)} of {len(chosen)} promises were tested")
        raise
    finally:
        for store in left:
            note(f"{store}: made for this check and not removed; remove it")
    if report.stopped:
        click.echo(f"{report.stopped}: {report.broken[report.stopped].reason}", err=True)
    printer.finish(left)
    return Exit.FAILED if report.broken else Exit.DONE


class EndedBySignal(SystemExit):
    """A signal ended the check. A backend that raises SystemExit does not end it."""


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Exit on SIGTERM and SIGHUP as after an error, so that the stores of the check are removed."""
    owner = os.getpid()

    def leave(number: int, _frame: object) -> None:
        if os.getpid() != owner:  # a process that a promise forked, which has nothing to remove
            os._exit(_BY_SIGNAL + number)
        raise EndedBySignal(_BY_SIGNAL + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, leave)
        for number in _ENDING
        if signal.getsignal(number) is not signal.SIG_IGN  # nohup ignores SIGHUP
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _prints_of_the_backend(*, to_stderr: bool) -> Iterator[None]:
    """Redirect what a backend prints, in this process and in those that the check starts, so that JSON stays valid."""
    if not to_stderr:
        yield
        return
    sys.stdout.flush()
    with contextlib.redirect_stdout(sys.stderr):
        kept = os.dup(1)
        os.dup2(2, 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def _list(promises: list[tuple[str, str]], *, in_json: bool) -> None:
    """Print the promises, each with its group."""
    if in_json:
        as_json([{"promise": name, "group": group} for name, group in promises])
    else:
        table(("promise", "group"), promises, whole="promise")


def _abilities(url: SecretURL) -> frozenset[str]:
    from itsm_workflow.testing.conformance._base import check_abilities  # noqa: PLC0415 - to save start-up time

    abilities = getattr(backend_of(url), "abilities", None)
    try:
        check_abilities(abilities)
    except (TypeError, ValueError) as error:
        raise StorageError(f"the {scheme_of(url)} backend: {error}", scheme=scheme_of(url)) from error
    return frozenset(abilities or ())


class _Printer:
    """Prints each result as soon as it is known, or all of them as JSON in the end.

    Args:
        report: The report before the check.
        scheme: The backend's scheme.
        width: The length of the longest name of a promise.
        in_json: Whether to print JSON.

    Attributes:
        run: The number of the run.
        known: The results of the run so far.
    """

    def __init__(self, report: StorageReport, scheme: str, width: int, *, in_json: bool) -> None:
        self._report, self._scheme, self._width, self._in_json = report, scheme, width, in_json
        self._terminal = sys.stderr.isatty()
        self._headed = self.run = 0
        self._is_apart = False
        self.known: list[Result] = []

    def begin(self, promise: str) -> None:
        """Show, on a terminal, the promise under test."""
        self._head()
        if self._terminal:
            click.echo(f"\r\033[K{promise} …", err=True, nl=False)

    def end(self, result: Result) -> None:
        """Print the result of a promise, and directly below it what is wrong if it is broken."""
        self._head()
        self._clear()
        self.known.append(result)
        broken = result.outcome == "broken"
        outcome = result.outcome.upper() if broken else result.outcome
        self._row(result.promise, outcome, f"{result.seconds:.2f}", "" if broken else clean(result.reason))
        if broken and not self._in_json:
            self._explain(result)

    def wait(self, promise: str, waiting: str) -> None:
        """Report to standard error that a promise is still being tested."""
        self._clear()
        note(f"{promise}: {clean(waiting)}")

    def finish(self, left: list[str]) -> None:
        """Print the names of the broken promises and the numbers of the results of the last run, or all as JSON."""
        from itsm_workflow.testing.conformance import PromiseOutcome  # noqa: PLC0415 - to save start-up time

        self._clear()
        report = attrs.evolve(self._report, results=tuple(self.known))
        if self._in_json:
            as_json({"backend": self._scheme, "runs": self.run, "left": left, **_plain(report)})
            return
        self._part()
        _print_times(self.known)
        if report.broken and len(self.known) > 1:
            facts([("BROKEN", name) for name in report.broken])
            data("")
        counts = [f"{report.count(outcome)} {outcome}" for outcome in PromiseOutcome if report.count(outcome)]
        data(", ".join(counts) + (f", in run {self.run}" if self.run > 1 else ""))

    def _explain(self, result: Result) -> None:
        self._part()
        facts(
            [
                ("BROKEN", result.promise),
                ("the port", f'"{result.sentence}"'),
                ("calls", "\n".join(result.calls)),
                ("wrong", result.reason),
            ]
        )
        self._is_apart = False
        self._part()

    def _part(self) -> None:
        """Print an empty line, unless the last line is empty."""
        if not self._is_apart:
            data("")
        self._is_apart = True

    def _head(self) -> None:
        """Print what stands above the results of a run: of the first one, the backend and its abilities, too."""
        from itsm_workflow.testing.conformance import ABILITIES  # noqa: PLC0415 - to save start-up time

        if self._headed == self.run or self._in_json:
            return
        if not self._headed:
            declared = {name: "declared" if name in self._report.abilities else "not declared" for name in ABILITIES}
            facts([("backend", self._scheme), ("profile", self._report.profile)])
            data("")
            table(("ability", "", "meaning"), [(name, declared[name], meaning) for name, meaning in ABILITIES.items()])
        self._headed = self.run
        data("")
        self._row("promise", "outcome", "seconds", "")

    def _row(self, promise: str, outcome: str, seconds: str, reason: str) -> None:
        if not self._in_json:
            self._is_apart = False
            data(f"{promise:{self._width}}  {outcome:{_OUTCOME}}  {seconds:{_SECONDS}}  {reason}".rstrip())

    def _clear(self) -> None:
        if self._terminal:
            click.echo("\r\033[K", err=True, nl=False)


def _print_times(results: list[Result]) -> None:
    """Print the times of the promises that were measured, the slowest first."""
    measured = [result for result in results if result.processor_seconds is not None]
    rows = [
        (result.promise, f"{result.seconds:.2f}", f"{result.processor_seconds:.2f}")
        for result in sorted(measured, key=lambda result: -result.seconds)
    ]
    if rows:
        table(("promise", "seconds", "processor"), rows, whole="promise")
        data("")


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
