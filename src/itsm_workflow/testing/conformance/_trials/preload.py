"""The shared object that shows and spoils the calls of a process, built from the C source in ``shim``.

It works only in a process that was started with it, see `environment`. Calls of every library count, so SQLite's do.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._trials.calls import NO_FAULT, Fault, Kind, os_decoded, os_encoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOURCES = tuple(sorted((Path(__file__).parent / "shim").glob("*.c")))
_VARIABLE = "ITSM_WORKFLOW_SHIM"


@functools.cache
def shim() -> Path | None:
    """Build the shared object once in this process, and return its path; None if there is no way to build it here."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    folder = tempfile.mkdtemp(prefix="itsm-workflow-shim-")
    weakref.finalize(shim, _remove, folder, os.getpid())  # runs when the process ends
    return build(Path(folder), compiler)


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # not a forked child
        shutil.rmtree(folder, ignore_errors=True)


def build(folder: Path, compiler: str) -> Path | None:
    """Build the shared object in a folder; return None if that fails."""
    built = folder / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(built), *map(str, SOURCES), "-ldl", "-lpthread"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603  # the system's compiler
    return built if done.returncode == 0 else None


def environment(built: Path | None) -> Mapping[str, str]:
    """Return the environment of a process in which the shared object is to be loaded."""
    if built is None:
        return os.environ
    before = os.environ.get("LD_PRELOAD")
    return {**os.environ, "LD_PRELOAD": f"{built}:{before}" if before else str(built), _VARIABLE: str(built)}


class Shim:
    """The view of this process's calls through the shared object, see `Watch`."""

    sees_libraries = True

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.shim_arm.argtypes = [
            *(ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_char_p)
        ]
        library.shim_set_clock.argtypes = [ctypes.c_long]
        library.shim_calls.restype = ctypes.c_long
        library.shim_struck.restype = ctypes.c_char_p

    @classmethod
    def loaded(cls) -> Shim | None:
        """Return the view, or None if the shared object is not loaded in this process."""
        try:
            library = ctypes.CDLL(os.environ[_VARIABLE])
            # A loader that refused to preload it would load it now, when it no longer wraps anything.
            preloaded = ctypes.CDLL(None).shim_calls
        except (KeyError, OSError, AttributeError):
            return None
        same = ctypes.cast(preloaded, ctypes.c_void_p).value == ctypes.cast(library.shim_calls, ctypes.c_void_p).value
        return cls(library) if same else None

    def arm(
        self,
        folders: Sequence[Path],
        kinds: Kind,
        fault: Fault = NO_FAULT,
        at: int = 0,
        *,
        only: Path | None = None,
    ) -> None:
        """Count calls from now on, see `Watch.arm`."""
        where = b"".join(os_encoded(str(folder)) + b"\0" for folder in folders)
        path = b"" if only is None else os_encoded(str(only))
        self._library.shim_arm(where + b"\0", kinds, fault.act, fault.error, at, fault.every_time, path)

    def disarm(self) -> None:
        """Stop counting, see `Watch.disarm`; the count and the struck call stay."""
        self._library.shim_disarm()

    def record(self, descriptor: int) -> None:
        """Record the counted calls, see `Watch.record`."""
        self._library.shim_record(descriptor)

    def note(self, text: str) -> None:
        """Add a note to the record, see `Watch.note`."""
        self._library.shim_note(os_encoded(text))

    def count(self) -> int:
        """Return the number of calls, see `Watch.count`."""
        return int(self._library.shim_calls())

    def struck(self) -> str:
        """Return the call with the fault, see `Watch.struck`."""
        return os_decoded(self._library.shim_struck())

    def skip_syncs(self) -> None:
        """Do not make the syncs, see `Watch.skip_syncs`."""
        self._library.shim_skip_syncs(1)

    def set_clock(self, seconds: int) -> None:
        """Let the wall clock stand still, see `Watch.set_clock`."""
        self._library.shim_set_clock(seconds)

    def skip_sleeps(self) -> None:
        """Let the clocks advance instead of waiting, see `Watch.skip_sleeps`."""
        self._library.shim_skip_sleeps(1)
