"""Measures the library beside what is below it, prints one table, and ends with 1 if a bound is missed: ``make bench``.

Arguments choose parts by their names. A server that does not answer, and a library that is not installed, are reported
as not measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from importlib import metadata
from typing import TYPE_CHECKING

from tests.benchmarks import changes, client, commits, lists, lives, passes, reopening, sql
from tests.benchmarks.table import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.table import Row

_PACKAGES = ("requests", "urllib3", "tenacity", "transitions", "attrs", "cattrs", "msgspec", "sqlalchemy")


def parts(missing: Callable[[str], object]) -> dict[str, Callable[[], list[Row]]]:
    """Return the functions that measure, by the name of their part.

    Args:
        missing: Called with a sentence that names what is not measured.
    """
    return {
        "lives": lambda: lives.rows(missing),
        "changes": changes.rows,
        "commits": commits.rows,
        "passes": passes.rows,
        "lists": lists.rows,
        "reopening": reopening.rows,
        "sql": lambda: sql.rows(missing),
        "client": client.rows,
    }


def main() -> int:
    """Measure, print, judge."""
    missing: list[str] = []
    known = parts(missing.append)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"one of {', '.join(known)}; all by default")
    chosen = parser.parse_args().parts or list(known)
    if unknown := sorted({*chosen} - {*known}):
        parser.error(f"there is no part {', '.join(unknown)}: choose from {', '.join(known)}")
    started, found = time.monotonic(), []
    for name in chosen:
        sys.stderr.write(f"==> {name}\n")
        found += known[name]()
    write = sys.stdout.write
    write(table(found))
    write("".join(f"\n{sentence}\n" for sentence in missing))
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    write(f"\n{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, {versions}; ")
    write(f"{time.monotonic() - started:.0f} s, load average {os.getloadavg()[0]:.1f}.\n")
    return 0 if all(row.kept for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
