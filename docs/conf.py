"""Sphinx settings."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "itsm-workflow"
author = "itsm-workflow contributors"
project_copyright = "2026, itsm-workflow contributors"
version = release = importlib.metadata.version("itsm-workflow")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "itsm_workflow.integrations.sphinx"]
exclude_patterns = ["_build", "pictures"]
source_suffix = {".md": "markdown"}
default_role = "code"  # docstrings quote names with single backticks

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
autodoc_default_options = {"members": True, "exclude-members": "__init__, __new__"}
autodoc_type_aliases = {name: f"itsm_workflow.change.{name}" for name in ("Attempt", "Form", "Ticket")}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attrs fields are members as well, and must not be described twice

# Annotations name the standard library, whose inventory would have to be fetched: the build needs no network.
nitpick_ignore_regex = [
    ("py:.*", r"(collections|datetime|dt|enum|types|typing|attrs?)(\..*)?"),
    ("py:.*", r"(Any|Callable|ClassVar|Iterable|Iterator|Mapping|Sequence|Self)"),
    # Type variables, aliases of the API client and the standard library's Path, which have no page of their own.
    ("py:class", r"(.*\.)?(R|T|T_co|AfterRequest|BeforeRequest|CallOptions|File|PaginationStyle)"),
    (
        "py:class",
        r"(.*\.)?(Clock|HostEngine|KeepsRecords|Path|Progress|Records|Secret|SecretURL|TicketLedger|TicketStatus|Timeout)",
    ),
    # Parameters of functions, aliases of a workflow's functions, and the machine of the package transitions.
    ("py:class", r"(P(\.args|\.kwargs)?|StateT|DueRule|EffectFunction|FormCheck|Guard|Headers|Machine|Update)"),
]

locale_dirs = ["locale"]  # `make docs` builds Chinese too, from these catalogues
gettext_compact = False  # a catalogue for each page
gettext_location = False  # so that a catalogue changes with its page's sentences alone
gettext_uuid = False
figure_language_filename = "{path}{basename}-zh{ext}"  # where there is a picture in Chinese, its pages show it

html_theme = "furo"
html_static_path = ["_static"]
templates_path = ["_templates"]
# The sidebar of the theme, with a link to the same page in the other language.
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_css_files = ["site.css"]
html_title = "itsm-workflow"
html_show_sphinx = False
html_copy_source = False


def _attributes_have_no_type_prefix(
    _app: Sphinx, what: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Keep napoleon from reading `Sent or not: it is being looked up.` as a type and its description."""
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]  # an empty comment: the first line is not the sentence any more


def setup(app: Sphinx) -> None:
    """Connect what runs before napoleon, whose handler has the default priority of 500, and name a lexer."""
    app.connect("autodoc-process-docstring", _attributes_have_no_type_prefix, priority=400)
    app.add_lexer("mermaid", TextLexer)  # code hosts draw it; here it is shown as text
