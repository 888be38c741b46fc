"""Promises that are tested in processes of their own, in a few threads, while a check tests others."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Answer = TypeVar("Answer")


class Lanes(Generic[Answer]):
    """Work in a few threads, group by group, whose results are asked for later."""

    def __init__(self) -> None:
        self._groups = deque[Mapping[str, Callable[[], Answer]]]()
        self._answers: dict[str, Answer] = {}
        self._errors: list[BaseException] = []
        self._changed = threading.Condition()
        self._has_begun = self._has_ended = False

    def begin(self, groups: Iterable[Mapping[str, Callable[[], Answer]]], count: int) -> None:
        """Begin the work, unless that was done before.

        Args:
            groups: The groups: the work by its name, which one thread does in this order.
            count: The number of threads.
        """
        if self._has_begun:
            return
        self._has_begun = True
        self._groups.extend(groups)
        for _ in range(min(count, len(self._groups))):
            threading.Thread(target=self._run, daemon=True).start()

    def finished(self) -> Iterator[tuple[str, Answer]]:
        """Yield the results so far, in the order in which they were known; each is yielded once.

        Raises:
            BaseException: The error of a work that failed.
        """
        while True:
            with self._changed:
                if self._errors:
                    raise self._errors[0]
                if not self._answers:
                    return
                name = next(iter(self._answers))
                answer = self._answers.pop(name)
            yield name, answer

    def wait(self) -> None:
        """Wait until there is a result that was not yielded yet, or an error."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._answers or self._errors))

    def end(self) -> None:
        """Let no more work begin; what has begun goes on."""
        with self._changed:
            self._groups.clear()
            self._has_ended = True

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._groups:
                    return
                group = self._groups.popleft()
            for name, work in group.items():
                if self._has_ended:
                    return
                try:
                    answer = work()
                except BaseException as error:  # noqa: BLE001  # raised again in the thread that asks
                    with self._changed:
                        self._errors.append(error)
                        self._changed.notify_all()
                    return
                with self._changed:
                    self._answers[name] = answer
                    self._changed.notify_all()
