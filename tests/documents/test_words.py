"""The mechanical part of plain English: words that no docstring, comment, message or page uses, and summary lines."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for room in ("src", "storage_backends") for path in (ROOT / room).rglob("*.py"))
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if "_build" not in path.parts and path.name != "README.zh-CN.md"
)

PLAIN = {
    r"(?i)\b(?:tell|tells|told)\b": "report, return, log, notify, raise",
    r"(?i)\b(?:anew|lest|mend|mends|mended|reckon|reckons|shall|for ever|of one's own)\b": "the everyday word",
    r"(?i)\b(?:nobody|somebody|whoever)\b": "the caller, the worker, the process, the operator",
    r"(?<!there )(?<!There )\bis no (?!longer\b|more\b|such\b)[a-z]+": "is not a, has no",
    r"\b(?:are none|is none|there are none|of none)\b": "is not a, has no",
    r"(?i)\bat once\b": "immediately, in one commit",
}
"""Words that ask a reader to guess, and what to write instead."""

KEPT = re.compile(
    r"at once$|somebody else's$|nobody has this tag: $"  # values that are stored, sent or hashed
    r"|^ +told: ",  # the name of a parameter
    re.MULTILINE,
)
"""Texts that stay: they are not read as prose."""

HEADLESS = re.compile(r"(?:What|Whether|How|Which|Who|Whom|Whose|When|Where|Why|That|If)\b")


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield every comment and every text of a module, with its line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_text = token.type in {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
        if token.type == tokenize.COMMENT or (is_text and " " in token.string):  # a single word is a name or a key
            yield token.start[0], KEPT.sub("", token.string.strip("\"'") if is_text else token.string)


def found_in(text: str) -> list[str]:
    """Return the words of a text that are to be replaced."""
    return [hit[0] for words in PLAIN for hit in re.finditer(words, text)]


def test_the_words_are_found() -> None:
    """Else the tests below would pass of anything."""
    assert found_in("Nobody is told at once; it is no draft.") == ["told", "Nobody", "is no draft", "at once"]
    assert found_in("The store is no longer open: it is None, and there is no such file.") == []


def test_the_modules_say_it_plainly() -> None:
    """In their docstrings, comments and messages."""
    assert SOURCES
    assert [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in SOURCES
        for line, text in texts_of(path.read_text(encoding="utf-8"))
        for word in found_in(text)
    ] == []


def headless_in(source: str) -> Iterator[str]:
    """Yield the summary lines of a module that begin with neither a noun nor an imperative verb."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        summary = (ast.get_docstring(node) or "").split("\n", 1)[0]
        returns = ast.unparse(node.returns) if isinstance(node, ast.FunctionDef) and node.returns else ""
        if HEADLESS.match(summary) and not (summary.startswith("Whether") and returns == "bool"):
            yield summary


def test_a_headless_summary_is_found() -> None:
    """Else the test below would pass for anything."""
    source = 'def f() -> int:\n    """What is left."""\ndef g() -> bool:\n    """Whether it is left."""\n'
    assert list(headless_in(source)) == ["What is left."]


def test_every_summary_line_has_a_head() -> None:
    """A noun or an imperative verb; a boolean may be documented as `Whether ...`."""
    assert [
        f"{path.relative_to(ROOT)}: {summary}"
        for path in SOURCES
        for summary in headless_in(path.read_text(encoding="utf-8"))
    ] == []


def test_the_pages_say_it_plainly() -> None:
    """Outside of their examples of code and of the names of promises, which are in italics."""
    assert PAGES
    found = []
    for path in PAGES:
        text = re.sub(r"(?s)```.*?```|`[^`\n]*`|\*[^*\n]+\*", "", path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(ROOT)}: {word}" for word in found_in(text)]
    assert found == []
