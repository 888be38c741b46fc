"""What axe-core finds on a page: barriers for a person with a screen reader, a keyboard or weak eyes."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

SEVERE = ("serious", "critical")

# Nothing is loaded once more, and what passed is not described.
_RUN = "() => axe.run({resultTypes: ['violations'], preload: false}).then(results => results.violations)"


def barriers(page: Page) -> list[str]:
    """Return each finding of an impact of `SEVERE`: the rule, the element and the help text.

    The script is evaluated by the browser and not by a tag in the page, which its content security policy would refuse.
    """
    # `make test-browser` installs the package.
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    return [
        f"{page.url}: {rule['id']}: {node['html']}: {rule['help']}: {node['failureSummary']}"
        for rule in page.evaluate(_RUN)
        for node in rule["nodes"]
        if node["impact"] in SEVERE
    ]


def refuse_barriers(page: Page) -> None:
    """Fail with each of the `barriers` in full."""
    found = barriers(page)
    assert not found, "\n".join(found)
