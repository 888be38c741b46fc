"""Read the settings from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from itsm_workflow.settings.kinds import setting_of
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import attrs

_OTHER_GENERATION = (
    "is for BK-ITSM 4, which this library does not support: unset it, or set BKAPP_ITSM_VERSION=v2 to use BK-ITSM 2 "
    "nevertheless"
)


class Variables(Mapping[str, str]):
    """Environment variables whose repr hides the values, since some are secrets in plain text.

    Raises:
        TypeError: The variables are not a mapping.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        given: object = variables
        if not isinstance(given, Mapping):
            raise TypeError(f"the variables must be a mapping of names to text, as os.environ is, not {kind_of(given)}")
        self._variables: Mapping[str, str] = {name: text for name, text in given.items() if isinstance(name, str)}

    def __getitem__(self, name: str) -> str:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


def read(
    fields: Mapping[str, attrs.Attribute[Any]], environ: Mapping[str, str], given: Mapping[str, object]
) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Return the values, the source of each, and the rules of those that could not be parsed."""
    values: dict[str, Any] = dict(given)
    sources: dict[str, str] = {}
    unread: dict[str, str] = {}
    for name, field in fields.items():
        parsers = setting_of(field).parsers
        variable = next((each for each in parsers if _is_set(environ.get(each, ""))), "")
        sources[name] = "argument" if name in given else variable or "default"
        if variable and name not in given:
            try:
                values[name] = parsers[variable](_text(environ[variable]))
            except ValueError as error:
                unread[name] = str(error)
        if name in values and field.converter is not None:
            convert: Any = field.converter
            values[name] = convert(values[name])  # before the rules, which see what the constructor stores
    if sources["version"] == "default":
        for variable in sorted(name for name in environ if name.startswith("BK_ITSM4_") and _is_set(environ[name])):
            sources["version"], unread["version"] = variable, _OTHER_GENERATION
    return values, sources, unread


def _is_set(value: object) -> bool:
    """Return whether a variable is set: it is not empty. A value that is not text is set, and refused."""
    return bool(value.strip()) if isinstance(value, str) else True


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, as environment variables are, not {kind_of(value)}")  # noqa: TRY004 - a rule
    return value.strip()
