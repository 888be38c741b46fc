"""The mechanical part of the Chinese texts: words that colleagues would misread, spaces, and punctuation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.cli.doctor_phrases import FINDINGS
from itsm_workflow.cli.phrases import PHRASES
from itsm_workflow.demo.words import SCENARIOS
from itsm_workflow.demo.words import WORDS as DEMONSTRATION
from itsm_workflow.gateway.bk_itsm.page import LABELS as WORDS_OF_TICKETS
from itsm_workflow.machine import labels
from itsm_workflow.machine.advice import ADVICE
from itsm_workflow.machine.approval import LABELS as STATES
from itsm_workflow.machine.messages import ERRORS
from itsm_workflow.machine.refusals import REASONS, RULES
from itsm_workflow.machine.sentences import SENTENCES
from itsm_workflow.sandbox.pages.words import KINDS as FAULTS
from itsm_workflow.sandbox.pages.words import OUTCOMES as OUTCOMES_OF_CALLBACKS
from itsm_workflow.sandbox.pages.words import PHRASES as OF_SANDBOX
from itsm_workflow.sandbox.pages.words import WORDS as SANDBOX

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.zh-CN.md", *sorted((ROOT / "docs" / "zh").glob("*.md"))]
CATALOGUE = ROOT / "src/itsm_workflow/integrations/django/locale/zh_Hans/LC_MESSAGES/django.po"

PLAIN = {
    "替身": "模拟服务（沙箱）",
    "宿主": "业务系统、接入方",
    "(?<!API )网关": "ITSM，或者 API 网关",
    "撤回": "撤单、已撤销",
    "建成": "创建",
    "获批": "审批通过",
    "搁置": "停止重试",
    "需人关注|该有人看": "待人工处理",
    "一台[^，。]*状态机": "状态机",
    "证据": "依据",
    "您": "你",
}
"""Words that a colleague would read in another sense, and what to write instead."""
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SPACING = {
    r"[\u4e00-\u9fff][A-Za-z0-9`]|[A-Za-z0-9`][\u4e00-\u9fff]": "a space between Chinese and Latin",
    r"[\u4e00-\u9fff] +[\u4e00-\u9fff]": "no space in Chinese",
    r"[\u4e00-\u9fff][,;:!?]|[,;:!?][\u4e00-\u9fff]": "the punctuation of Chinese",
}


def prose_of(text: str) -> str:
    """Return a page without its examples, the addresses of its links, and the code in its sentences."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", text)
    return re.sub(r"`[^`\n]+`", "`x`", re.sub(r"\]\([^)]*\)", "]", text))


def labels_in(language: str) -> list[str]:
    """Return the names of states, acts and the like in a language."""
    tables: list[Mapping[Any, labels.Label]] = [STATES, WORDS_OF_TICKETS, labels.OUTCOMES, labels.ATTENTION, ADVICE]
    tables += [labels.TRIGGERS, labels.FACTS, labels.VALUES, labels.OPERATIONS, SENTENCES]
    named = [one for table in tables for one in table.values()]
    return [one[language] for one in [*named, labels.UNKNOWN, labels.UNDELIVERED]]


def names_in_code() -> list[str]:
    """Return every Chinese name that the code and the pages of Django's admin show."""
    found = labels_in("zh")
    found += [text["zh"] for table in (DEMONSTRATION, SANDBOX, FAULTS) for text in table.values()]
    found += [*SCENARIOS.values(), *OF_SANDBOX.values(), *OUTCOMES_OF_CALLBACKS.values()]
    found += [*PHRASES.values(), *FINDINGS.values(), *REASONS.values(), *RULES.values(), *ERRORS.values()]
    return found + re.findall(r'^msgstr "(.+)"$', CATALOGUE.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("text", ["ITSM替身", "审批 通过", "通过,拒绝", "由网关转发", "请您审批", "一台显式的状态机"])
def test_what_is_to_be_replaced_is_found(text: str) -> None:
    """Otherwise the tests below would pass for anything."""
    assert any(re.search(pattern, text) for pattern in {**PLAIN, **SPACING})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_use_the_words_of_the_platform(page: Path) -> None:
    """With spaces and punctuation as a reader of Chinese expects them."""
    text = prose_of(page.read_text(encoding="utf-8"))
    assert [hit[0] for pattern in {**PLAIN, **SPACING} for hit in re.finditer(pattern, text)] == []


def english_comments_in(text: str) -> list[str]:
    """Return the comments of a page's examples that have English words and no Chinese ones."""
    blocks = re.findall(r"(?ms)^ *```\w*\n(.*?)^ *```$", text)
    comments = [found for block in blocks for found in re.findall(r"(?m)(?:^|\s)#\s+(.+)$", block)]
    return [
        one
        for one in comments
        if re.search(r"[A-Za-z]{3}", re.sub(r"'[^']*'|\S+\.py\b", "", one)) and not CHINESE.search(one)
    ]


def test_an_english_comment_is_found() -> None:
    """In code and behind a command; a value that is printed is none, nor is the name of a file."""
    page = "```python\n# one thing\nf()  # 甲 one\ng()  # ['collector-42']\n# shop/a.py\n```\n"
    page += "\n```console\n$ a  # the end\n```\n"
    assert english_comments_in(page) == ["one thing", "the end"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_comments_in_the_examples_are_in_chinese(page: Path) -> None:
    """As the page around them is."""
    assert english_comments_in(page.read_text(encoding="utf-8")) == []


def test_the_names_in_the_code_use_them_too() -> None:
    """Pages, pictures and commands show these names."""
    names = names_in_code()
    assert {"待确认", "提单确认中", "回调失败", "没有该变更"} <= set(names)
    assert [name for name in names for pattern in {**PLAIN, **SPACING} if re.search(pattern, name)] == []
