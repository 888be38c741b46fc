"""The kit itself: it quotes the port, asks only for what is declared, and runs with and without pytest."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.storage import protocol
from itsm_workflow.testing import StorageConformance, check_storage
from itsm_workflow.testing.conformance import ABILITIES, PromiseOutcome
from itsm_workflow.testing.conformance._base import quoted
from itsm_workflow.testing.conformance._comparing import SENTENCES
from itsm_workflow.testing.conformance._processes import together
from itsm_workflow.testing.conformance._racing import count_up
from itsm_workflow_backends.memory import MemoryBackend

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import StorageBackend

ROOT = Path(__file__).parents[2]
TESTS = StorageConformance.all_promises()


@pytest.mark.parametrize("name", TESTS)
def test_each_test_quotes_the_port(name: str) -> None:
    """The sentence in the test's docstring stands word for word in the port."""
    assert quoted(TESTS[name]) in " ".join(inspect.getsource(protocol).split())


@pytest.mark.parametrize("method", SENTENCES)
def test_each_sentence_about_a_wrong_answer_is_of_the_port(method: str) -> None:
    """It is in the docstring of the method or of the type of its answer."""
    assert SENTENCES[method] in " ".join(inspect.getsource(protocol).split())


def test_a_backend_is_asked_only_for_what_it_claims() -> None:
    """Tests that need an ability are not part of the class of a backend without it; nothing is skipped."""

    class Modest(StorageConformance):
        abilities = frozenset({"durable"})

    named = {name for name in dir(Modest) if name.startswith("test_") and getattr(Modest, name) is not None}
    left_out = {name for name, test in TESTS.items() if not test.needs <= {"durable"}}  # type: ignore[attr-defined]
    assert named == set(TESTS) - left_out
    assert left_out


def test_each_ability_is_asked_for_by_a_test() -> None:
    """Whatever a backend can declare, it is held to."""
    assert {need for test in TESTS.values() for need in test.needs} == set(ABILITIES)  # type: ignore[attr-defined]


def test_what_is_not_declared_is_reported() -> None:
    """Nothing is passed over in silence."""
    report = check_storage(lambda: MemoryBackend, only="power cut loses")
    assert [(one.outcome, one.reason) for one in report.results] == [
        (PromiseOutcome.NOT_DECLARED, "durable, fsync, multi_process")
    ]


def test_a_subclass_without_its_fixture_is_told() -> None:
    """Whoever forgets the one fixture learns what to write."""
    with pytest.raises(TypeError, match="StorageConformance needs a fixture open_backend"):
        inspect.unwrap(StorageConformance.open_backend)(StorageConformance())


def test_importing_the_kit_loads_neither_pytest_nor_hypothesis() -> None:
    """A host that imports the package, or a library module beside it, pays for nothing."""
    code = """
        import sys

        before = set(sys.modules)
        import itsm_workflow.testing

        print(sorted({"pytest", "hypothesis", "requests", "filelock", "sqlite3"} & (set(sys.modules) - before)))
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


_WITHOUT = """
    import sys

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in {"pytest", "hypothesis", "_pytest"}:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Absent())
"""


@pytest.mark.long
def test_without_pytest_and_hypothesis_all_but_the_walk_is_run() -> None:
    """What is missing is said, and how to get it."""
    code = """
        from itsm_workflow.testing import check_storage
        from itsm_workflow_backends.memory import MemoryBackend

        report = check_storage(lambda: MemoryBackend)
        print(*{one.outcome for one in report.results if one.reason.startswith("the walk")}, len(report.broken))
        print(*[one.reason for one in report.results if one.outcome == "not run"])
    """
    command = [sys.executable, "-c", dedent(_WITHOUT) + dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "not run 0\nthe walk needs Hypothesis: pip install 'itsm-workflow[testing]'\n"


def test_a_failing_test_under_pytest_quotes_the_port(tmp_path: Path) -> None:
    """The sentence and the calls stand in what pytest prints."""
    test = tmp_path / "test_it.py"
    test.write_text(
        dedent("""
            import pytest
            from itsm_workflow.testing import StorageConformance
            from tests.conformance.zoo import ForgetsTheSubjectRule

            class TestBroken(StorageConformance):
                abilities = ForgetsTheSubjectRule.abilities

                @pytest.fixture
                def open_backend(self):
                    return ForgetsTheSubjectRule
        """),
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-k",
        "one_open_change_per_subject",
        f"--rootdir={tmp_path}",
        str(test),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "A promise of the storage port is broken: Workflow and subject while the change holds" in done.stdout
    assert "commit([create 'c2' (open_subject='held')]) -> [None]" in done.stdout


def _no_store() -> StorageBackend:
    message = "nothing can be opened here"
    raise OSError(message)


def test_what_fails_in_another_process_is_told() -> None:
    """With its traceback, and without waiting for what will not come."""
    with pytest.raises(AssertionError, match="OSError: nothing can be opened here"):
        together(count_up, _no_store, [("c1", 1), ("c1", 1)])
