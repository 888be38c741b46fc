"""The patches of the defects are kept in step with the source, and name tests that there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.mutants.copies import ROOT, copy_tree
from tests.mutants.defects import PatchError, apply, read_defects

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mutants.defects import Defect

DEFECTS = read_defects()


def test_each_defect_has_a_label_of_its_own() -> None:
    """The threat model's table names the same ones."""
    assert len({defect.label for defect in DEFECTS}) == len(DEFECTS) > 24


def test_every_patch_applies(tmp_path: Path) -> None:
    """A patch that the source has left behind would prove nothing, and is brought up to date."""
    copy = copy_tree(tmp_path)
    for defect in DEFECTS:
        apply(defect, copy)
        apply(defect, copy, back=True)


def test_a_patch_that_does_not_apply_is_an_error(tmp_path: Path) -> None:
    """Applied twice, the second finds nothing to change."""
    copy = copy_tree(tmp_path)
    apply(DEFECTS[0], copy)
    with pytest.raises(PatchError, match=DEFECTS[0].name):
        apply(DEFECTS[0], copy)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_every_test_that_must_notice_is_there(defect: Defect) -> None:
    """By file, class and function."""
    for named in defect.tests:
        path, *names = named.split("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert [name for name in names if not re.search(rf"^ *(?:def|class) {name}\b", text, re.MULTILINE)] == []
