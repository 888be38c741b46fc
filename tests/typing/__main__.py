"""List the public names whose type pyright cannot read from annotations alone, and fail if there are any.

A type checker of a host may infer the type of an attribute without an annotation differently, or not at all. Public are
the modules beside the rooms, and what the package and its rooms export, with the members of classes.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import itsm_workflow

ROOT = Path(__file__).parents[2]
SOURCES = os.pathsep.join(str(ROOT / folder) for folder in ("src", "storage_backends"))


def public_names() -> set[str]:
    """Return each module beside the rooms, each exported name, and the name of its definition."""
    parts = [(f"itsm_workflow.{each.name}", each.ispkg) for each in pkgutil.iter_modules(itsm_workflow.__path__)]
    found = {name for name, is_room in parts if not is_room}
    for package in ("itsm_workflow", *(name for name, is_room in parts if is_room)):
        room = importlib.import_module(package)
        for name in getattr(room, "__all__", ()):
            value = getattr(room, name)
            home, defined = getattr(value, "__module__", None) or package, getattr(value, "__qualname__", name)
            found |= {f"{package}.{name}", f"{home}.{defined}"}
    return found


def write(*lines: str) -> None:
    """Write lines to standard output, those after the first indented."""
    sys.stdout.write("\n  ".join(lines) + "\n")


def main() -> int:
    """Print the names and the share of the public names whose types are known; return the exit code."""
    command = ["basedpyright", "--pythonpath", sys.executable, "--verifytypes", "itsm_workflow", "--ignoreexternal"]
    # pyright does not follow the hook of an editable installation, and takes the packages of the first Python on PATH.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PYTHONPATH": SOURCES, "PATH": path}
    done = subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:], "--outputjson"],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    names = public_names()
    public = [each for each in symbols if any(f"{each['name']}.".startswith(f"{name}.") for name in names)]
    unknown = [each for each in public if not each["isTypeKnown"] or each["isTypeAmbiguous"]]
    for each in unknown:
        write(each["name"], *(one["message"] for one in each["diagnostics"]))
    write(f"{len(public) - len(unknown)} of {len(public)} public names have a known type")
    return 1 if unknown or not public else 0


if __name__ == "__main__":
    sys.exit(main())
