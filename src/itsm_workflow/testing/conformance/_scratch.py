"""Empty stores for a check, next to the store that a URL names, which is never written to."""

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
    """Yield a function that makes empty stores: files in a new folder next to the path, which is removed at the end.

    A backend that does not store files names the stores itself, see `itsm_workflow.storage.registry.MakesScratch`. A
    store in memory is empty whenever it is opened.

    Raises:
        StorageError: The store contains changes, or its backend cannot name empty stores.
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
        with unavailable("make stores next to", path):
            folder = tempfile.mkdtemp(prefix=f"{path.name}.check-", dir=path.parent)
        try:
            yield lambda: partial(open_storage, f"{scheme}:///{quote(folder)}/{next(numbers)}{mark}{options}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    else:
        raise StorageError(
            f"the {scheme} backend cannot be checked by its URL: it does not store files, and it has no scratch_url "
            "that names empty stores; add scratch_url, or run its StorageConformance with pytest",
            scheme=scheme,
        )


def _scratch_url(backend: MakesScratch, url: SecretURL, name: str) -> SecretURL:
    return handing_over(url, lambda text: SecretURL(backend.scratch_url(text, name)))


def _refuse_data(url: SecretURL) -> None:
    # The store is not opened if that would migrate it.
    schema = schema_of(url)
    if schema is None or schema.found == schema.known:
        try:
            opened = open_storage(url)
        except StorageError:
            raise
        except Exception as error:
            # The error's own message is left out, since it may contain the URL's password.
            wrong = f"the store cannot be opened: from_url raised {type(error).__name__}, which is not a StorageError"
            raise StorageError(wrong, scheme=scheme_of(url)) from error
        with closing(opened) as store:
            page = store.find(Query(limit=1))
            if not page.rows and page.next is None:
                return
    raise StorageError(
        "the store holds changes, and a check needs an empty store: nothing was done; name an empty store, or a path "
        "that does not exist yet",
        scheme=scheme_of(url),
    )
