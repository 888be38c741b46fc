"""`itsm-workflow verify` as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.cli import main
from itsm_workflow.settle import Step
from itsm_workflow.testing import exploration
from itsm_workflow.testing.exploration import Act
from tests.exploration import defects
from tests.support import domains
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.testing.exploration import Filed

SMALL = ("--ticks", "1", "--faults", "1", "--acts", "0")
DELIVERED = Act("the goods arrive", (Step(domains.OrderVerb.DELIVER, domains.Parcel(pieces=2, ordered=2)),))
KEYS = [
    *("changes", "bounds", "raised", "states", "depth", "complete", "drains", "violations", "bad_ends", "seconds"),
    *("unreached", "findings", "limits"),
]


def delivers(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
    """Yield an operator's acts, and the delivery of an order."""
    yield from exploration.operator_acts(change, tickets)
    yield DELIVERED


@pytest.mark.long
def test_the_figures_as_json() -> None:
    """One value, whose keys stay; exit code 0 if nothing was found."""
    command = [sys.executable, "-m", "itsm_workflow", "verify", "--json", *SMALL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    found = json.loads(done.stdout)
    assert list(found) == KEYS
    assert found["bounds"] == {"ticks": 1, "faults": 1, "acts": 0, "workers": 2}
    assert (found["complete"], found["violations"], found["bad_ends"], found["findings"]) == (True, 0, 0, [])
    assert found["states"] > 1_000
    assert done.stderr == ""


def test_the_figures_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Each on its line, and the verdict in words."""
    assert main(["verify", *SMALL, "--depth", "5"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert " ".join(lines) == "changes bounds limits states depth drains seconds unreached verdict"
    assert (lines["changes"], lines["limits"]) == ("1", "depth 5")
    assert lines["bounds"] == "1 tick, 1 fault, 0 acts, 2 workers"
    assert lines["unreached"].startswith("failed_callback; ")
    assert "failed_callback -> pending by resume; " in lines["unreached"]
    assert lines["verdict"] == "holds: 0 violations, 0 bad ends; walked up to a limit only"


def test_two_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """They have smaller bounds by default, and one worker each."""
    assert main(["verify", "--changes", "2", "--states", "300"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (lines["changes"], lines["bounds"]) == ("2", "1 tick, 1 fault, 0 acts, 1 worker")
    assert (lines["limits"], lines["states"]) == ("states 300", "300")
    assert lines["verdict"] == "holds: 0 violations, 0 bad ends; walked up to a limit only"


@pytest.mark.long
def test_bounds_that_grow(capsys: pytest.CaptureFixture[str]) -> None:
    """From nothing to one fault, which most of the table needs; two of them are more than the budget."""
    assert main(["verify", "--grow", "--states", "2000", "--workers", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bounds"] == {"ticks": 0, "faults": 1, "acts": 0, "workers": 1}
    assert found["raised"] == ["faults to 1, which reached 6 parts more", "the budget ended"]
    assert found["complete"]


def test_bounds_that_grow_need_a_budget(capsys: pytest.CaptureFixture[str]) -> None:
    """Something may be out of reach within any bounds."""
    assert main(["verify", "--grow"]) == 2
    assert "--states or --seconds" in capsys.readouterr().err


def test_what_is_broken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 1, and the shortest way is printed, or is in the JSON."""
    whole = exploration.explore
    monkeypatch.setattr(exploration, "explore", lambda **asked: whole(library=defects.WithoutCompareAndSwap, **asked))

    assert main(["verify", *SMALL]) == 1
    out = capsys.readouterr().out
    assert "verdict    broken: 1 violations, 0 bad ends" in out
    assert "\n   4. a worker reads the change, which is due  [applying, sending]\n" in out

    assert main(["verify", *SMALL, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["violations"], found["bad_ends"], found["complete"]) == (1, 0, False)
    assert found["findings"][0]["promise"] == "stored_history_stays"
    assert len(found["findings"][0]["steps"]) == 6


def test_a_bound_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is walked."""
    assert main(["verify", "--faults", "-1"]) == 2
    assert "--faults" in capsys.readouterr().err


@pytest.mark.long
def test_a_definition_of_a_host(capsys: pytest.CaptureFixture[str]) -> None:
    """By default with an operator's acts, so that the report names what only the host's acts reach."""
    command = ["verify", "tests.support.domains:ORDER", "--ticks", "0", "--faults", "0", "--workers", "1", "--json"]
    assert main(command) == 0
    unreached = json.loads(capsys.readouterr().out)["unreached"]
    assert "ordered -> delivered by deliver" in unreached["transitions"]
    assert main([*command, "--host-acts", f"{__name__}:delivers"]) == 0
    unreached = json.loads(capsys.readouterr().out)["unreached"]
    assert "ordered -> delivered by deliver" not in unreached["transitions"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["tests.support.domains:NONE"], "tests.support.domains has LEAVE, MIGRATION, ORDER, TRAIN"),
        (["--host-acts", "tests.support.domains:ORDER"], "--host-acts tests.support.domains:ORDER is"),
    ],
)
def test_a_name_of_something_else(given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what is there."""
    assert main(["verify", *given]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_no_test_tool_is_needed() -> None:
    """The command runs where neither pytest nor Hypothesis is installed."""
    program = (
        "import importlib.abc, sys\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.partition('.')[0] in {'pytest', '_pytest', 'hypothesis'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from itsm_workflow.cli import main\n"
        "sys.exit(main(['verify', '--ticks', '0', '--faults', '0', '--acts', '0']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
