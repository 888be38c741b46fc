"""Empty stores for a check, beside the one that a URL names; that one is never written to."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from itsm_workflow.errors import StorageError
from itsm_workflow.secrets import SecretURL
from itsm_workflow.storage.files import unavailable
from itsm_workflow.storage.protocol import Query
from itsm_workflow.storage.registry import MakesScratch, backend_of, handing_over, open_storage, schema_of
from itsm_workflow.storage.url import scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage.protocol import StorageBackend

    NewStore = Callable[[], Callable[[], StorageBackend]]


@contextmanager
def scratch_stores(url: str | SecretURL) -> Iterator[NewStore]:
    """Give what makes empty stores: files in a folder of their own beside the path, which is removed in the end.

    A backend whose stores are no files names them itself, see `itsm_workflow.storage.registry.MakesScratch`; what is
    in memory alone is empty whenever it is opened.

    Raises:
        StorageError: There are changes in the store, or its backend names no empty ones.
    """
    url = SecretURL.of(url)
    scheme, abilities = scheme_of(url), backend_of(url).abilities
    backend: object = backend_of(url)
    numbers = count(1)
    if isinstance(backend, MakesScratch):
        _refuse_data(url)
        prefix = f"check_{secrets.token_hex(4)}"
        yield lambda: partial(open_storage, _scratch_url(backend, url, f"{prefix}_{next(numbers)}"))
    elif "durable" not in abilities:
        yield lambda: partial(open_storage, url)
    elif url.reveal().startswith(f"{scheme}:///"):
        base, mark, options = url.reveal().removeprefix(f"{scheme}:///").partition("?")
        path = Path(unquote(base)).absolute()
        if path.exists():
            _refuse_data(url)
        with unavailable("make stores beside", path):
            folder = tempfile.mkdtemp(prefix=f"{path.name}.check-", dir=path.parent)
        try:
            yield lambda: partial(open_storage, f"{scheme}:///{quote(folder)}/{next(numbers)}{mark}{options}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    else:
        raise StorageError(
            f"the {scheme} backend cannot be checked by its URL: its stores are no files, and it has no scratch_url "
            "that names empty ones; write that, or run its StorageConformance with pytest",
            scheme=scheme,
        )


def _scratch_url(backend: MakesScratch, url: SecretURL, name: str) -> SecretURL:
    return handing_over(url, lambda text: SecretURL(backend.scratch_url(text, name)))


def _refuse_data(url: SecretURL) -> None:
    # Not opened if that would migrate it.
    schema = schema_of(url)
    if schema is None or schema.found == schema.known:
        try:
            opened = open_storage(url)
        except StorageError:
            raise
        except Exception as error:
            # Not in its own words: they may hold the URL's password.
            wrong = f"the store cannot be opened: from_url raised {type(error).__name__}, which is no StorageError"
            raise StorageError(wrong, scheme=scheme_of(url)) from error
        with closing(opened) as store:
            page = store.find(Query(limit=1))
            if not page.rows and page.next is None:
                return
    raise StorageError(
        "there is data in this store, and a check is for stores that hold nothing: nothing was done; name an empty "
        "one, or a path where there is none yet",
        scheme=scheme_of(url),
    )
