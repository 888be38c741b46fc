"""The frame of every page, its style, and its tables and forms. Each text is escaped, since clients choose it."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from itsm_workflow.sandbox.pages.words import Reader

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; --blue: #1d4ed8; --bad: #b91c1c; }
@media (prefers-color-scheme: dark) { :root { --blue: #93c5fd; --bad: #fca5a5; } }
* { box-sizing: border-box; } html { background: Canvas; color: CanvasText; }
body { font: 16px/1.5 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; max-width: 64rem;
  margin: 0 auto; padding: 1rem; }
header { display: flex; gap: 1.5rem; align-items: baseline; border-bottom: 1px solid var(--line); }
header strong { margin-right: auto; } h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
a { color: var(--blue); } .scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; } .problem { color: var(--bad); font-weight: 600; } .soft { opacity: .75; }
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: .75rem 0; padding: .75rem;
  background: var(--soft); border-radius: .5rem; }
form.bare { padding: 0; margin: 0; background: none; }
label { display: grid; gap: .15rem; font-size: .9rem; max-width: 100%; }
select { width: 100%; } input[type=number] { width: 6rem; }
label.check { display: flex; gap: .4rem; align-items: center; }
input, select, textarea, button { font: inherit; padding: .35rem .6rem; max-width: 100%; }
button { cursor: pointer; } button.main { background: #1d4ed8; color: #fff; border: 1px solid #1e3a8a; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; }
"""
_SCRIPT = """
const follow = () => {
  const found = /[?&]id=(\\d+)/.exec(location.hash);
  if (found) location.replace("/tickets/" + found[1] + "/");
};
addEventListener("hashchange", follow);
follow();
const again = document.getElementById("again");
if (again) {
  again.checked = sessionStorage.getItem("again") !== "no";
  again.addEventListener("change", () => sessionStorage.setItem("again", again.checked ? "yes" : "no"));
  setInterval(() => {
    if (again.checked && !document.activeElement.closest("form, a")) location.reload();
  }, again.dataset.seconds * 1000);
}
"""
"""The address of a ticket has its id in the fragment, as BK-ITSM's own pages do, which a browser sends to no server.

A page that loads itself again has a box that stops it, and leaves a form or a link alone in which a person is.
"""

_TAGS = {"en": "en", "zh": "zh-CN"}
"""The tags of the languages, for browsers and screen readers."""
_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
    "Content-Security-Policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'; "
    "form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # without any, a browser would not name the page that sends a form
}


def document(reader: Reader, title: str, *parts: str, problem: str = "", refresh: int = 0) -> str:
    """Return a page.

    Args:
        reader: The reader, with the address of the page.
        title: The heading, as text.
        parts: The contents, as HTML.
        problem: What went wrong, as text; empty if nothing did.
        refresh: The seconds after which a browser loads the page again, unless a person stops it; 0 for never.
    """
    every = reader("again_each_second") if refresh == 1 else reader("again_every", seconds=refresh)
    box = f'<input type="checkbox" id="again" data-seconds="{refresh}" checked>'
    again = f'<label class="check">{box}{every}</label>' if refresh else ""
    said = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    sandbox = reader("sandbox")
    return "\n".join(
        (
            f'<!DOCTYPE html><html lang="{_TAGS[reader.language]}"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)} · {sandbox}</title><style>{_STYLE}</style></head><body>",
            f'<header><strong>{sandbox}</strong><nav class="row">{link("/", reader("tickets"))}',
            f"{link('/misbehave/', reader('misbehave'))} {_switch(reader)}</nav></header>",
            f"<main><h1>{escape(title)}</h1>",
            said,
            again,
            *parts,
            f"</main><script>{_SCRIPT}</script></body></html>",
        )
    )


def _switch(reader: Reader) -> str:
    """Return the link to the same page in the other language."""
    other = "en" if reader.language == "zh" else "zh"
    tag = f'lang="{_TAGS[other]}" hreflang="{_TAGS[other]}"'
    return f'<a href="{escape(reader.address)}?language={other}" {tag}>{reader("other_language")}</a>'


def link(address: str, text: object) -> str:
    """Return a link within the pages."""
    return f'<a href="{escape(address)}">{escape(str(text))}</a>'


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> str:
    """Return a table whose cells are texts, or HTML that `link` or `form` made; without rows a sentence."""
    shown = ([cell if isinstance(cell, Html) else escape(str(cell)) for cell in row] for row in rows)
    lines = ["".join(f"<td>{cell}</td>" for cell in cells) for cells in shown]
    if not lines:
        return f'<p class="soft">{escape(empty)}</p>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def form(action: str, *fields: str, bare: bool = False) -> str:
    """Return a form that is sent by POST."""
    kind = ' class="bare"' if bare else ""
    return f'<form method="post" action="{escape(action)}"{kind}>{"".join(fields)}</form>'


def button(text: str, *, action: str = "", main: bool = False) -> str:
    """Return a button that sends its form, to another address if one is given."""
    where = f' formaction="{escape(action)}"' if action else ""
    kind = ' class="main"' if main else ""
    return f"<button{kind}{where}>{escape(text)}</button>"


def choice(name: str, label: str, values: Mapping[str, str]) -> str:
    """Return a field with which one of the values is chosen, each shown by its label."""
    options = "".join(f'<option value="{escape(value)}">{escape(shown)}</option>' for value, shown in values.items())
    return f'<label>{escape(label)}<select name="{escape(name)}">{options}</select></label>'


def check(name: str, label: str, *, checked: bool = False) -> str:
    """Return a box to tick."""
    ticked = " checked" if checked else ""
    box = f'<input type="checkbox" name="{escape(name)}" value="yes"{ticked}>'
    return f'<label class="check">{box}{escape(label)}</label>'


def text_field(name: str, label: str, *, value: str = "", kind: str = "text", size: int = 20) -> str:
    """Return a field for a text or a number."""
    attributes = f'name="{escape(name)}" type="{kind}" value="{escape(value)}" size="{size}"'
    return f"<label>{escape(label)}<input {attributes}></label>"
