"""The place where a command finds changes: a store, or an application with its own workflow."""

from __future__ import annotations

import contextlib
import enum
import functools
import importlib
import inspect
import pathlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import rich_click as click
from click.core import ParameterSource

from itsm_workflow.cli.hosts import advice_for, checked_set_up
from itsm_workflow.cli.values import store_url
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import ItsmWorkflowError, StorageUnavailable
from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.policy import Policy
from itsm_workflow.runtime.journal import Journal
from itsm_workflow.runtime.observers import Observers
from itsm_workflow.runtime.records import Records
from itsm_workflow.secrets import SecretURL
from itsm_workflow.settings import SETTINGS, VARIABLES, Settings
from itsm_workflow.storage.files import look_at
from itsm_workflow.storage.registry import check_schema, open_storage
from itsm_workflow.storage.url import FILES, path_of, scheme_of
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.workflow import Workflow

R = TypeVar("R")

_NAMED = 5

APP_VARIABLE = "BKAPP_ITSM_WORKFLOW_APP"
NO_APP = "none"
_STORE = SETTINGS["store"].help

store_option = click.option(
    "--store",
    envvar=VARIABLES["store"][0],
    default=str(attrs.fields(Settings).store.default),
    show_default=True,
    show_envvar=True,
    type=store_url,
    metavar="URL",
    help=f"{_STORE[0].upper()}{_STORE[1:]}.",
)


@attrs.frozen(kw_only=True)
class Place:
    """The place where the changes are.

    Attributes:
        store: The store's URL.
        app: ``module:name`` of the application, ``none`` if there is no application, or empty if it was not given.
    """

    store: SecretURL
    app: str

    @property
    def has_app(self) -> bool:
        """Whether an application provides the workflow."""
        return self.app not in {"", NO_APP}

    @contextlib.contextmanager
    def records(self) -> Iterator[Records]:
        """Open the changes for reading; without an application only the store is needed."""
        if self.has_app:
            with self._app() as workflow:
                yield workflow
            return
        with existing_store(self.store) as storage:
            yield _records(storage)

    @contextlib.contextmanager
    def workflow(self, *, stored: bool = True, making: bool = True) -> Iterator[Workflow]:
        """Open the workflow for acting.

        Args:
            stored: Whether stored changes are needed; otherwise a store in memory is enough.
            making: Whether to make a store that does not exist; otherwise one in memory takes its place.
        """
        if self.has_app:
            with checked_set_up(f"--app {self.app}", self._app()) as workflow:
                yield workflow
            return
        if stored and not self.app:
            raise click.UsageError(
                "the command needs to know which effects follow an approval: name the application that has them, with "
                f"--app module:name or {APP_VARIABLE}; or give --app {NO_APP} if no effects follow"
            )
        is_used = stored and (making or not _is_missing(self.store))
        with _own_workflow(self.store if is_used else SecretURL("memory://")) as workflow:
            yield workflow

    @contextlib.contextmanager
    def _app(self) -> Iterator[Workflow]:
        workflow = _load(self.app)
        try:
            yield workflow
        finally:
            workflow.close()


def placed(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options --store and --app, and call the command with a `Place`."""

    @store_option
    @click.option(
        "--app",
        envvar=APP_VARIABLE,
        default="",
        show_envvar=True,
        metavar="MODULE:NAME",
        help=f"A Workflow of your application, or a function that returns one; {NO_APP!r} if no effects follow.",
    )
    @click.pass_context
    @functools.wraps(command)
    def wrapped(ctx: click.Context, /, *, store: SecretURL, app: str, **rest: Any) -> R:
        typed = {name: ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ("store", "app")}
        if typed["store"] and typed["app"] and app != NO_APP:
            raise click.UsageError("--app brings its own store: leave --store out")
        if typed["store"] and not typed["app"] and app != NO_APP:
            app = ""  # the command line beats the environment, and an application would bring its own store
        return command(place=Place(store=store, app=app.strip()), **rest)

    return wrapped


def _records(storage: StorageBackend) -> Records:
    journal = Journal(
        storage=storage,
        definition=COLLECTOR_CHANGE,
        policy=Policy(),
        clock=SystemClock(),
        effects={},
        observers=Observers(),
    )
    return Records(journal)


@contextlib.contextmanager
def _own_workflow(store: SecretURL) -> Iterator[Workflow]:
    # Imported here to save start-up time: commands that only read need no HTTP client.
    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway  # noqa: PLC0415
    from itsm_workflow.workflow import Workflow  # noqa: PLC0415

    settings = Settings.from_env()
    with contextlib.closing(BkItsmGateway(settings)) as gateway, contextlib.closing(open_storage(store)) as storage:
        yield Workflow(
            storage=storage,
            gateway=gateway,
            callbacks=bool(settings.callback_host and settings.callback_keys),
        )


@contextlib.contextmanager
def existing_store(url: SecretURL) -> Iterator[StorageBackend]:
    """Open a store for reading. It is not created or upgraded, since a typing error would look like an empty store."""
    check_exists(url)
    check_schema(url)
    with contextlib.closing(open_storage(url)) as storage:
        yield storage


def check_exists(url: SecretURL) -> None:
    """Refuse the URL of a file that does not exist, since opening would create it.

    Raises:
        StorageUnavailable: The file does not exist, or the path is not a regular file.
    """
    if _is_missing(url):
        named = path_of(url) if url.is_plain else url
        raise StorageUnavailable(
            f"there is no store at {named}; name it with an option or with {VARIABLES['store'][0]}"
        )


def _is_missing(url: SecretURL) -> bool:
    """Return whether the URL is that of a file that does not exist."""
    return scheme_of(url) in FILES and look_at(path_of(url)) is None


def _load(app: str) -> Workflow:
    from itsm_workflow.workflow import Workflow  # noqa: PLC0415 - imported here to save start-up time

    workflow: Workflow = imported(app, Workflow, label=f"--app {app}")
    return workflow


def imported(path: str, *kinds: type, label: str) -> Any:  # noqa: ANN401 - an instance of one of the kinds
    """Import an object that a user names as ``module:name``, or call the function that it names.

    Args:
        path: The text that was typed; modules are looked for in the current folder as well.
        kinds: The classes that are accepted.
        label: The name of the path in messages.

    Raises:
        UsageError: The path cannot be imported, or its object is of another class.
        ItsmWorkflowError: The library refused an object that the module builds.
    """
    module, separator, name = path.partition(":")
    if not separator or not module or not name:
        raise click.UsageError(f"{label} is not written as module:name, such as shop.itsm:make_workflow")
    expected = ", ".join(f"a{'n' if kind.__name__[0] in 'AEIO' else ''} {kind.__name__}" for kind in kinds)
    expected += ", or a function without arguments that returns one"
    here = str(pathlib.Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as other commands do that import an application by name, such as gunicorn
    holder: Any = None
    found: Any = None
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            holder, found = found, None
            found = getattr(holder, part)
        other = "" if isinstance(found, kinds) else _uncallable(found)
        made = found if isinstance(found, kinds) or other else found()
    except ItsmWorkflowError:
        raise
    except failures_in_a_test() as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        advice = advice_for(error) or (_others(holder, kinds) if found is None else "")
        raise click.UsageError(f"{label} cannot be loaded: {problem}{f'; {advice}' if advice else ''}") from error
    if other:
        raise click.UsageError(f"{label} is {other}; expected {expected}{_after(holder, kinds)}")
    if not isinstance(made, kinds):
        raise click.UsageError(f"{label} returns {kind_of(made)}; expected {expected}{_after(holder, kinds)}")
    return made


def _others(holder: object, kinds: tuple[type, ...]) -> str:
    """Return which objects of a module can be named, or the empty text if it has none."""
    names = [name for name, value in getattr(holder, "__dict__", {}).items() if isinstance(value, kinds)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    where = getattr(holder, "__name__", type(holder).__name__)
    return f"{where} has {', '.join(names[:_NAMED])}{more}" if names else ""


def _after(holder: object, kinds: tuple[type, ...]) -> str:
    others = _others(holder, kinds)
    return f"; {others}" if others else ""


def _uncallable(named: object) -> str:
    """Describe an object that cannot be called without arguments; empty if it can."""
    if isinstance(named, enum.EnumMeta):
        return f"the enum {named.__name__}"
    if not callable(named):
        return f"a value of type {type(named).__name__}"
    try:
        inspect.signature(named).bind()
    except TypeError:
        return f"a {'class' if isinstance(named, type) else 'function'} that takes arguments"
    except ValueError:  # a function in C without a signature: the call shows it
        return ""
    return ""
