"""Runs every Python block of the README and the documentation as a test, and counts the time of tests."""

from __future__ import annotations

import contextlib
import unittest

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

pytest_plugins = ("tests.support.limits",)

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README*.md", "docs/**/*.md"],
    excludes=["docs/_build/**"],
).pytest()

_LINE = pytest.StashKey[int]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Run the blocks of a page that a block follows, unless this process did: they share names.

    Another process may have run them, and a block may be run alone.
    """
    if isinstance(item, SybilItem) and item.parent is not None:
        reached, line = item.parent.stash.get(_LINE, 0), item.example.line
        for before in item.example.document.examples():
            if reached < before.line < line:
                with contextlib.suppress(unittest.SkipTest):
                    before.evaluate()
        item.parent.stash[_LINE] = line
