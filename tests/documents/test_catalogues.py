"""The catalogues of the Chinese documentation say what the English pages say, in the words of the platform."""

from __future__ import annotations

import importlib.resources
import re
from typing import TYPE_CHECKING

import jinja2
import pytest

from tests.documents.catalogues import CATALOGUES, THEME, code_in, differences, links_in, pages, sentences
from tests.documents.test_chinese_words import PLAIN, SPACING, labels_in

if TYPE_CHECKING:
    from pathlib import Path

CHINESE = r"[\u4e00-\u9fff]"
BLOCK = r" *(\d+[.)]( |$)|#+( |$)|[-+*]( |$)|>|\||```|~~~|:::|\(.*\)=$)"
"""What begins a list, a heading, a quotation, a table, code or a target, where a sentence is to begin."""
PAGES = pages(CATALOGUES)
SENTENCES = [(page, source, text) for page in PAGES for source, text in sentences(PAGES[page]).items()]
"""The page, the English sentence and the Chinese one."""


def written(folder: Path, **texts: str) -> Path:
    """Write a catalogue of one page and return its folder."""
    folder.mkdir()
    lines = [f'msgid "{source}"\nmsgstr "{text}"\n' for source, text in texts.items()]
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n'
    (folder / "page.po").write_text("\n".join([header, *lines]), encoding="utf-8")
    return folder


def prose_of(text: str) -> str:
    """Return a sentence without its code and the targets of its links."""
    code = r"(:[a-z:]+:)?(``.+?``(?!`)|`[^`]+`)"
    return re.sub(code, "`x`", re.sub(r"\]\([^)]*\)", "]", text))


def test_each_page_has_its_catalogue() -> None:
    """Otherwise the tests below would pass for an empty folder."""
    docs = CATALOGUES.parents[2]
    written = {path.relative_to(docs).with_suffix("").as_posix() for path in docs.rglob("*.md")}
    chinese = {page for page in written if page.startswith(("zh/", "_", "pictures/"))}
    assert written - chinese - {"changelog"} == set(PAGES)


def test_each_sentence_is_translated_with_its_code_and_its_links() -> None:
    """A name in another spelling, or a link to another page, would lead a reader astray."""
    wrong = [
        (page, source)
        for page, source, text in SENTENCES
        if not text or code_in(source) != code_in(text) or links_in(source) != links_in(text)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        *((text, True) for text in ("1. 对照", "2) 接管", "# 标题", "- 项目", "> 引文", "| 格", "```", ":::{note}")),
        *((text, False) for text in ("1\\. 对照", "1.5 倍", "**粗体**", "`x` 是", "-1 表示", "#1")),
    ],
)
def test_what_begins_a_block_is_found(text: str, begins: bool) -> None:  # noqa: FBT001
    """And what only resembles it is a sentence."""
    assert bool(re.match(BLOCK, text)) is begins


def test_no_sentence_begins_a_block_of_markdown() -> None:
    """Sphinx leaves a heading in English whose translation is read as a list: its number needs a backslash."""
    assert [(page, text) for page, _, text in SENTENCES if re.match(BLOCK, text)] == []


def test_the_catalogues_use_the_words_of_the_platform() -> None:
    """With spaces and punctuation as a reader of Chinese expects them."""
    rules = [re.compile(rule) for rule in {**PLAIN, **SPACING}]
    prose = [(page, prose_of(text)) for page, _, text in SENTENCES]
    assert [(hit[0], page, text) for page, text in prose for rule in rules for hit in rule.finditer(text)] == []


def test_a_sentence_of_words_is_in_chinese() -> None:
    """English that was copied is not a translation."""
    shown = labels_in("en")  # by a program, and named on a page beside their Chinese
    prose = [(page, prose_of(text)) for page, _, text in SENTENCES if text not in shown]
    copied = [each for each in prose if re.search(r"[a-z]{3,} [a-z]{3,}", each[1]) and not re.search(CHINESE, each[1])]
    assert copied == []


def test_the_words_of_the_theme_are_in_chinese() -> None:
    """Those that Sphinx does not translate itself have a catalogue, which holds no other."""
    sphinx = importlib.resources.files("sphinx") / "locale/zh_CN/LC_MESSAGES/sphinx.po"
    templates = importlib.resources.files("furo") / "theme/furo"
    with importlib.resources.as_file(sphinx) as catalogue, importlib.resources.as_file(templates) as folder:
        known = {source for source, text in sentences(catalogue).items() if text}
        hosted = {"rtd-versions.html", "variant-selector.html"}  # shown by a hosting service only
        shown = [path.read_text("utf-8") for path in folder.rglob("*.html") if path.name not in hosted]
    reader = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    asked = {str(words) for page in shown for _, _, words in reader.extract_translations(page)}  # type: ignore[attr-defined] # added by the extension
    assert {"Next", "On this page"} <= asked
    translated = sentences(CATALOGUES / f"{THEME}.po")
    assert set(translated) == asked - known
    assert [text for text in translated.values() if not re.search(CHINESE, text) and "Sphinx" not in text] == []


def test_the_tooltips_of_the_theme_are_in_chinese() -> None:
    """No catalogue can translate them: our template of the page replaces each."""
    with importlib.resources.as_file(importlib.resources.files("furo") / "theme/furo") as folder:
        texts = [(folder / name).read_text("utf-8") for name in ("page.html", "partials/icons.html")]
    hosted = {"On Read the Docs", "On GitHub"}  # shown by a hosting service only
    shown = {text for each in texts for text in re.findall(r'<title>([^<{]+)<|aria-label="([^"{]+)"', each)}
    wanted = {"".join(groups) for groups in shown} - hosted | {"Toggle navigation of "}  # made by its code
    replaced = (CATALOGUES.parents[2] / "_templates/page.html").read_text("utf-8")
    assert wanted == {text.removeprefix("<title>").rstrip("<") for text in re.findall(r'replace\("([^"]+)"', replaced)}


def test_no_two_pages_have_the_same_title_in_chinese() -> None:
    """The sidebar lists them all; those that were written in Chinese stand beside those that were translated."""
    docs = CATALOGUES.parents[2]
    titles = [path.read_text("utf-8").splitlines()[0].removeprefix("# ") for path in sorted((docs / "zh").glob("*.md"))]
    for page, path in PAGES.items():
        heading = re.search(r"^# (.+)$", (docs / f"{page}.md").read_text("utf-8"), re.MULTILINE)
        assert heading, page
        titles.append(sentences(path).get(heading[1], heading[1]))
    assert [title for title in titles if titles.count(title) > 1] == []


def test_a_missing_and_a_former_sentence_are_found(tmp_path: Path) -> None:
    """`make docs` ends with an error for each."""
    templates = written(tmp_path / "templates", kept="", new="")
    catalogues = written(tmp_path / "catalogues", kept="保留", former="从前")
    found = differences(templates, catalogues)
    assert found == ["page: not translated: new", "page: no longer in the page: former"]


def test_a_page_that_was_removed_is_found(tmp_path: Path) -> None:
    """Its catalogue would stay for ever."""
    (tmp_path / "templates").mkdir()
    assert differences(tmp_path / "templates", written(tmp_path / "old", kept="保留")) == [
        "page: no page has that name"
    ]
