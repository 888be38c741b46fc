"""The commands that maintain stores."""

from __future__ import annotations

import pathlib
import urllib.parse
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.language import spoken
from itsm_workflow.cli.output import as_json, clean, facts, line
from itsm_workflow.cli.places import check_exists
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.storage_archive import archive
from itsm_workflow.cli.storage_check import check
from itsm_workflow.cli.storage_copy import copy
from itsm_workflow.cli.storage_verify import verify
from itsm_workflow.cli.values import store_url
from itsm_workflow.runtime.json_views import plain
from itsm_workflow.storage.abilities import SupportsBackup, SupportsMigration, SupportsRepair, SupportsRestore
from itsm_workflow.storage.integrity import content_problem
from itsm_workflow.storage.registry import backend_of, handing_over, loadable_backends, open_storage, schema_of
from itsm_workflow.storage.url import path_of, scheme_of

if TYPE_CHECKING:
    from itsm_workflow.secrets import SecretURL


_SQLITE = b"SQLite format 3\0"


@click.group(no_args_is_help=False)
def storage() -> None:
    """Check, verify, copy, archive, back up, restore, upgrade, migrate and repair stores."""


storage.add_command(archive)
storage.add_command(check)
storage.add_command(copy)
storage.add_command(verify)


@storage.command()
@click.argument("path", type=store_url)
@json_option
def repair(path: SecretURL, *, in_json: bool) -> Exit:
    """Make a damaged store usable again; the original is kept in the same folder.

    PATH is the URL of a store whose backend can repair, or the file of a JSON store. Stop all processes that use a
    SQLite store first.
    """
    written = "://" in path.reveal()
    scheme, file = (scheme_of(path), path_of(path)) if written else ("json", pathlib.Path(path.reveal()))
    if scheme == "json" and _is_sqlite(file):
        raise click.UsageError(
            f"{file} is a SQLite database: give the URL of a SQLite store, "
            f"sqlite:///{urllib.parse.quote(str(file.absolute()), errors='surrogateescape')}"
        )
    done = _repairer(scheme).repair(file, check=content_problem)
    if in_json:
        as_json(plain(done))
    elif not done.problems:
        line("the store is not damaged, and nothing was done")
    else:
        restored = [spoken(f"{name} as of version {version}") for name, version in done.restored.items()]
        facts(
            [
                ("damaged", "\n".join(map(clean, done.problems))),
                ("original", done.original),
                ("restored", "\n".join(restored)),
                ("dropped", "\n".join(done.dropped)),
                ("lost commits", done.lost or ""),
            ]
        )
    return Exit.PARTLY if done.problems and (done.restored or done.dropped or done.lost) else Exit.DONE


@storage.command()
@click.argument("url", type=store_url)
@click.argument("target")
@json_option
def backup(url: SecretURL, target: str, *, in_json: bool) -> Exit:
    """Copy a store to the new file TARGET while other processes use it.

    A SQLite store in use must not be copied in another way: its last commits are in a second file.
    """
    backend: object = backend_of(url)
    if not isinstance(backend, SupportsBackup):
        raise click.UsageError(
            f"the {scheme_of(url)} backend cannot make backups: use the tools of its server; able are: "
            f"{_able('backup')}"
        )
    handing_over(url, lambda text: backend.backup(text, target))
    if in_json:
        as_json({"target": str(pathlib.Path(target).absolute())})
    else:
        line(f"the store was copied to {clean(target)}")
    return Exit.DONE


@storage.command()
@click.argument("source", metavar="BACKUP")
@click.argument("url", type=store_url)
@json_option
def restore(source: str, url: SecretURL, *, in_json: bool) -> Exit:
    """Replace the store at URL with BACKUP; the replaced store is kept in the same folder.

    BACKUP is a file that `storage backup` made. It is checked first, and is not changed. Stop all processes that use
    the store: while one of them has a SQLite store open, the restore is refused.
    """
    backend: object = backend_of(url)
    if not isinstance(backend, SupportsRestore):
        raise click.UsageError(
            f"the {scheme_of(url)} backend cannot restore backups: use the tools of its server; able are: "
            f"{_able('restore')}"
        )
    done = handing_over(url, lambda text: backend.restore(text, source, check=content_problem))
    if in_json:
        backup_file = str(pathlib.Path(source).absolute())
        as_json(
            {"backup": backup_file, "store": plain(done.store), "changes": done.changes, "aside": plain(done.aside)}
        )
    else:
        facts(
            [
                ("store", done.store),
                ("is now", spoken(f"a copy of {source}")),
                ("changes", done.changes),
                ("set aside", "\n".join(map(str, done.aside)) or spoken("nothing: there was no store")),
            ]
        )
    return Exit.DONE


@storage.command()
@click.argument("url", type=store_url)
@json_option
def upgrade(url: SecretURL, *, in_json: bool) -> Exit:
    """Upgrade a store to the schema of this release; processes of older releases cannot use it afterwards.

    Back it up and stop these processes first. A process of this release that writes does the same by opening the store.
    """
    check_exists(url)
    backend: object = backend_of(url)
    if isinstance(backend, SupportsMigration):
        raise click.UsageError(
            f"the tables of a {scheme_of(url)} store are upgraded by `itsm-workflow storage migrate`"
        )
    before = schema_of(url)
    if before is None:
        line(f"the {scheme_of(url)} backend has no schema; nothing was done")
        return Exit.DONE
    if before.found < before.known:
        open_storage(url).close()
    if in_json:
        as_json({"from": before.found, "to": before.known})
    elif before.found < before.known:
        line(f"the store had schema {before.found} and has schema {before.known} now")
    else:
        line(f"the store has schema {before.known}, which is current; nothing was done")
    return Exit.DONE


@storage.command()
@click.argument("url", type=store_url)
@click.option("--dry-run", is_flag=True, help="Print the SQL statements, and change nothing.")
@json_option
def migrate(url: SecretURL, *, dry_run: bool, in_json: bool) -> Exit:
    """Create or upgrade the tables of a store in a database server.

    The account needs the right to create tables. Back the database up and stop the processes of older releases first.
    """
    backend: object = backend_of(url)
    if not isinstance(backend, SupportsMigration):
        raise click.UsageError(
            f"the {scheme_of(url)} backend creates its store when it is opened, and `itsm-workflow storage upgrade` "
            f"upgrades it; a migration is for: {_able('migrate')}"
        )
    if dry_run:
        sql = handing_over(url, backend.migration_sql)
        if in_json:
            as_json({"sql": sql})
        else:
            line(sql.rstrip() or "-- the tables are current")
        return Exit.DONE
    done = handing_over(url, backend.migrate)
    if in_json:
        as_json({"from": done.found, "to": done.known})
    elif done.found == done.known:
        line(f"the store has schema {done.known}, which is current; nothing was done")
    elif done.found:
        line(f"the store had schema {done.found} and has schema {done.known} now")
    else:
        line(f"the tables were created with schema {done.known}")
    return Exit.DONE


def _able(ability: str) -> str:
    return ", ".join(sorted(scheme for scheme, backend in loadable_backends().items() if hasattr(backend, ability)))


def _is_sqlite(file: pathlib.Path) -> bool:
    """Return whether a file begins with SQLite's header. An error in reading is left to the repair."""
    try:
        if not file.is_file():  # opening a FIFO would wait for a writer
            return False
        with file.open("rb") as opened:
            return opened.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _repairer(scheme: str) -> SupportsRepair:
    """Return the backend that repairs a file of this scheme."""
    able = {name: backend for name, backend in loadable_backends().items() if isinstance(backend, SupportsRepair)}
    if scheme not in able:
        raise click.UsageError(f"no {scheme} backend that can repair is installed; able are: {', '.join(sorted(able))}")
    return able[scheme]
