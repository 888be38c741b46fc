"""The imports in the examples of the documentation: each name is used in an example of the same page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def unused_in(text: str) -> list[str]:
    """Return the names that a page's examples import and do not use."""
    imported, used = list[str](), set[str]()
    for block in BLOCK.finditer(text):
        code = re.sub(f"(?m)^{block[1]}", "", block[2])
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        for node in ast.walk(compile(code, "page", "exec", flags=flags)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported += [one.asname or one.name.partition(".")[0] for one in node.names]
            elif isinstance(node, ast.Name):
                used.add(node.id)
    return [name for name in imported if name not in used and name not in {"annotations", "*"}]


def test_an_unused_import_is_found() -> None:
    """Otherwise the test below would pass for anything."""
    page = "```python\nfrom a import B, C\nimport d.e\n```\n\n1. x\n\n   ```python\n   B.c(d)\n   ```\n"
    assert unused_in(page) == ["C"]


def test_every_name_that_an_example_imports_is_used_on_its_page() -> None:
    """A reader looks for the use of what is imported."""
    assert [(page, name) for page in PAGES for name in unused_in(page.read_text(encoding="utf-8"))] == []
