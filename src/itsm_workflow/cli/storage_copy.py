"""The command that copies a store into another, of any backend."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, data, facts, note, table
from itsm_workflow.cli.places import existing_store
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.storage_progress import store_progress
from itsm_workflow.cli.storage_verify import print_damage
from itsm_workflow.cli.values import store_url
from itsm_workflow.runtime.json_views import plain
from itsm_workflow.storage.copying import copy_store
from itsm_workflow.storage.files import look_at
from itsm_workflow.storage.registry import open_storage
from itsm_workflow.storage.url import FILES, path_of, scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.secrets import SecretURL
    from itsm_workflow.storage.copying import CopyReport, Selection
    from itsm_workflow.storage.protocol import StorageBackend


@click.command()
@click.argument("source", metavar="FROM", type=store_url)
@click.argument("target", metavar="TO", type=store_url)
@click.option("--dry-run", is_flag=True, help="Check FROM and count what would be copied, and change nothing.")
@json_option
def copy(source: SecretURL, target: SecretURL, *, dry_run: bool, in_json: bool) -> Exit:
    """Copy the store FROM into the store TO, of the same or another backend, and compare both at the end.

    TO is empty or an earlier copy of FROM, so a copy that was interrupted is continued by the same command. A change in
    TO that is not an earlier version of the change in FROM is named, and then nothing is written. Stop the processes
    that write to FROM before the last copy, and start none on TO before it is done.
    """
    return copied(source, target, None, dry_run=dry_run, in_json=in_json)


def copied(source: SecretURL, target: SecretURL, only: Selection | None, *, dry_run: bool, in_json: bool) -> Exit:
    """Copy a store, or a selection of its changes, and print the report.

    Args:
        source: The store that is copied.
        target: The store that gets the copy.
        only: The changes that are copied, or None for all.
        dry_run: Whether to count only.
        in_json: Whether to print the report as JSON.
    """
    _check_two_stores(source, target)
    with (
        existing_store(source) as opened,
        _target(target, dry_run=dry_run) as store,
        store_progress() as progress,
    ):
        report = copy_store(opened, store, progress, only, dry_run=dry_run)
    if in_json:
        as_json(_plain(report))
    else:
        _show(report)
    code, sentence = _verdict(report, dry_run=dry_run)
    if sentence:
        note(f"itsm-workflow: {sentence}")
    return code


def _check_two_stores(source: SecretURL, target: SecretURL) -> None:
    for url in (source, target):
        if scheme_of(url) == "memory":
            raise click.UsageError("a store in memory is empty when the command begins and lost when it ends")
    if source == target or (
        {scheme_of(source), scheme_of(target)} <= FILES and path_of(source).resolve() == path_of(target).resolve()
    ):
        raise click.UsageError("FROM and TO name the same store")


@contextlib.contextmanager
def _target(url: SecretURL, *, dry_run: bool) -> Iterator[StorageBackend | None]:
    """Open the target; a file is created if it does not exist, except in a dry run."""
    if scheme_of(url) not in FILES or look_at(path_of(url)) is not None:
        with existing_store(url) as storage:
            yield storage
    elif dry_run:
        yield None
    else:
        with contextlib.closing(open_storage(url)) as storage:
            yield storage


def _show(report: CopyReport) -> None:
    before, source, target = report.before, report.source, report.target
    facts(
        [
            ("changes", source.changes),
            ("entries", source.entries),
            *((name, getattr(before, name)) for name in ("missing", "behind", "same") if not source.damaged),
            ("copied", report.copied if target else ""),
            ("digest of FROM", source.digest),
            ("digest of TO", target.digest if target else ""),
        ]
    )
    print_damage(report.damaged)
    if report.divergent:
        data("")
        conflicts = ((one.change_id, one.reason) for one in report.divergent)
        table(("conflict", "why it was not copied"), conflicts, whole="conflict")


def _verdict(report: CopyReport, *, dry_run: bool) -> tuple[Exit, str]:
    """Return the exit code of a report and a sentence that says what the report means."""
    if report.target is None and report.damaged:
        return Exit.STORAGE, "FROM is damaged, and nothing was written: repair it, or restore a backup, then copy it"
    if report.before.divergent:
        return Exit.FAILED, "TO has changes that are not earlier versions of those in FROM: nothing was written"
    if dry_run:
        return Exit.DONE, ""
    if report.verified:
        return Exit.DONE, "the changes were read again from both stores and are the same"
    if report.damaged:
        return Exit.STORAGE, "a store is damaged that was intact before: do not use the copy"
    if report.divergent:
        return Exit.FAILED, "not every change could be copied; those that are named were not written"
    advice = "stop the processes that write to FROM, then run the command again"
    return Exit.PARTLY, f"FROM was written while it was copied, and TO lacks what is newer: {advice}"


def _plain(report: CopyReport) -> dict[str, object]:
    before, source, target = report.before, report.source, report.target
    return {
        "changes": source.changes,
        "entries": source.entries,
        "missing": before.missing,
        "behind": before.behind,
        "same": before.same,
        "copied": report.copied,
        "verified": report.verified,
        "digests": {"from": source.digest, "to": target.digest if target else None},
        "conflicts": plain(report.divergent),
        "damaged": plain(report.damaged),
    }
