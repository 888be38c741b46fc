"""The page of a run: one HTML file beside the store, which loads nothing, and a picture of one change."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.demo.report import history_head, history_rows, sum_line
from itsm_workflow.demo.words import words_in

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator, Sequence

    from itsm_workflow.audit import AuditReport
    from itsm_workflow.change import ChangeRequest, Entry

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #15803d; --bad: #b91c1c; }
@media (prefers-color-scheme: dark) { :root { --good: #4ade80; --bad: #f87171; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
.good { color: var(--good); } .bad { color: var(--bad); } code { overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
"""

_LANGUAGES = {"en": "en", "zh": "zh-CN"}


@attrs.frozen(kw_only=True)
class Spotlight:
    """The change whose history and path are shown.

    Attributes:
        scenario: The name of its scenario, in the language of the page.
        entries: Its history.
        picture: The state graph with its path, as SVG.
    """

    scenario: str
    change: ChangeRequest
    entries: Sequence[Entry]
    picture: str


@attrs.frozen(kw_only=True)
class Line:
    """The cells for one change; the problem is empty if it ended as its scenario says."""

    subject: str
    scenario: str
    shows: str
    ended: str
    problem: str


def write_page(
    folder: pathlib.Path,
    *,
    lines: Sequence[Line],
    spotlight: Spotlight | None,
    audit: AuditReport,
    store: str,
    language: str = "en",
) -> pathlib.Path:
    """Write the page and the picture into the folder, and return the path of the page.

    Args:
        folder: The folder.
        lines: The cells for each change, in the language.
        spotlight: The change that is shown with its history.
        audit: The result of the audit.
        store: The URL of the store.
        language: The language of the page, ``zh`` or ``en``.

    Raises:
        OSError: One of the files cannot be written.
    """
    if spotlight is not None:
        (folder / f"{spotlight.change.subject}.svg").write_text(spotlight.picture, encoding="utf-8")
    page = folder / "demo.html"
    page.write_text("\n".join(_page(lines, spotlight, audit, store, language)), encoding="utf-8")
    return page


def _page(
    lines: Sequence[Line], spotlight: Spotlight | None, audit: AuditReport, store: str, language: str
) -> Iterator[str]:
    def words(code: str, **values: object) -> str:
        return escape(words_in(language, code, **values), quote=False)

    problems = [*audit.findings, *(f"{one.subject}: {one.problem}" for one in lines if one.problem)]
    yield f'<!DOCTYPE html><html lang="{_LANGUAGES[language]}"><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{words('page_title')}</title><style>{_STYLE}</style>"
    yield f"<h1>{words('page_heading', count=len(lines))}</h1>"
    kind, verdict = ("bad", "problems") if problems else ("good", "no_problem")
    yield f'<p><strong class="{kind}">{words("page_verdict", verdict=words_in(language, verdict))}</strong> '
    yield f"{words('page_audited', sum=sum_line(audit, language))}</p>"
    yield from (f'<p class="bad">{escape(problem)}</p>' for problem in problems)
    yield from _table(
        [words_in(language, code) for code in ("subject", "scenario", "shows", "ended")],
        ((one.subject, one.scenario, one.shows, one.ended) for one in lines),
    )
    if spotlight is not None:
        yield f"<h2>{words('spotlight', subject=spotlight.change.subject, scenario=spotlight.scenario)}</h2>"
        yield f"<p>{words('steps', title=spotlight.change.form.title)}</p>"
        yield spotlight.picture
        yield from _table(history_head(language), history_rows(spotlight.entries, language))
    yield f"<p>{words('page_store')}<code>{escape(store)}</code></p></html>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield '<div class="table"><table><thead><tr>'
    yield "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
    yield "</tbody></table></div>"
