"""A correct backend on a server that is no database of rows: Redis, in which one script of Lua is a commit.

Redis compares texts only, so that no number passes through Lua, which would round it. Rows are found in Python.
"""

# ruff: noqa: D102  # the port says what each method is for

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import checks
from itsm_workflow.storage.protocol import Conflict, ConflictKind, EntryRow, EntryRows, Row, Write
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.conformance.good import Changes

_COMMIT = """
local rows, versions, dues, forms, subjects, tickets, held = unpack(KEYS)
local writes, answer = cjson.decode(ARGV[1]), {}
local function version_of(id) return redis.call('HGET', versions, id) or '0' end
for place, write in ipairs(writes) do
    local stored = redis.call('LLEN', ARGV[2] .. write.id)
    if write.expected ~= '0' and version_of(write.id) == write.expected and tostring(stored) ~= write.before then
        return {'gap', place, stored}
    end
end
local function judge(write)
    if version_of(write.id) ~= write.expected then return 'version' end
    if write.claims and write.expected ~= '0' then return '' end
    for _, value in ipairs({{subjects, write.subject, 'subject '}, {tickets, write.ticket, 'ticket '}}) do
        local holder = value[2] and redis.call('HGET', value[1], value[2])
        if holder and holder ~= write.id then return value[3] .. holder end
    end
    return ''
end
for place, write in ipairs(writes) do
    answer[place] = judge(write)
    if answer[place] == '' then
        redis.call('HSET', versions, write.id, write.version)
        redis.call('HSET', dues, write.id, write.due)
        if not (write.claims and write.expected ~= '0') then
            local old = cjson.decode(redis.call('HGET', held, write.id) or '{}')
            for name, hash in pairs({subject = subjects, ticket = tickets}) do
                if old[name] then redis.call('HDEL', hash, old[name]) end
                if write[name] then redis.call('HSET', hash, write[name], write.id) end
            end
            redis.call('HSET', held, write.id, cjson.encode({subject = write.subject, ticket = write.ticket}))
            redis.call('HSET', rows, write.id, write.row)
            if write.form then redis.call('HSET', forms, write.id, write.form) end
            for _, entry in ipairs(write.entries) do redis.call('RPUSH', ARGV[2] .. write.id, entry) end
        end
    end
end
return answer
"""


class RedisByLua(PlainDict):
    """Changes in hashes of Redis, and the history of each in a list."""

    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__()
        # Without retries: a commit that is sent twice conflicts with itself.
        self._client = redis.Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_timeout=5, socket_connect_timeout=5
        )
        self._keys = [f"{prefix}:{n}" for n in ("rows", "versions", "dues", "forms", "subjects", "tickets", "held")]
        self._histories = f"{prefix}:history:"

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        told = json.dumps([*map(_told, writes)])
        with self._answering() as client:
            found: Any = client.eval(_COMMIT, len(self._keys), *self._keys, told, self._histories)
        if found[:1] == [b"gap"]:
            checks.check_follows(writes[found[1] - 1], stored_seq=found[2])
        return [_conflict(write, text.decode()) for write, text in zip(writes, found, strict=True)]

    def get(self, change_id: str, /) -> Row | None:
        checks.check_id(change_id)
        return next(iter(self._rows([change_id] if checks.is_keepable(change_id) else [])), None)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        checks.check_history(change_id, after_seq, limit)
        first = min(after_seq, 2**62)
        with self._answering() as client:
            key = (self._histories + change_id).encode(errors="surrogatepass")
            found: Any = client.lrange(key, first, first + min(limit, 2**62))
        entries = [EntryRow(**json.loads(text)) for text in found]
        following = entries[limit - 1].seq if len(entries) > limit else None
        return EntryRows(entries=tuple(entries[:limit]), next_seq=following)

    def close(self) -> None:
        super().close()
        self._client.close()

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        yield {row.id: (row, ()) for row in self._rows(None)}

    @contextmanager
    def _answering(self) -> Iterator[redis.Redis]:
        if self._closed:
            raise StorageUnavailable("the store was closed")
        try:
            yield self._client
        except redis.RedisError as error:
            raise StorageUnavailable(f"Redis did not do it: {error}") from error

    def _rows(self, names: list[str] | None) -> list[Row]:
        """Return these rows, or all, as of one moment."""
        with self._answering() as client, client.pipeline(transaction=True) as pipeline:
            if names == []:
                return []  # no command of Redis takes no name
            for key in self._keys[:4]:
                pipeline.hgetall(key) if names is None else pipeline.hmget(key, names)
            several = pipeline.execute()
        if names is None:
            several = [[each[name] for name in several[0]] for each in several]
        return [
            Row(**json.loads(row), version=int(version), due_at=json.loads(due), form=form.decode())
            for row, version, due, form in zip(*several, strict=True)
            if row is not None
        ]


def _told(write: Write) -> dict[str, Any]:
    row = attrs.asdict(write.row)
    optional = {"subject": row["open_subject"], "ticket": row["ticket_key"], "form": row.pop("form")}
    return {
        **{name: value for name, value in optional.items() if value is not None},
        "version": str(row.pop("version")),
        "due": json.dumps(row.pop("due_at")),
        "id": row["id"],
        "expected": str(write.expected_version),
        "before": str(write.row.seq - len(write.entries)),
        "claims": not write.entries,
        "row": json.dumps(row),
        "entries": [json.dumps(attrs.asdict(entry)) for entry in write.entries],
    }


def _conflict(write: Write, text: str) -> Conflict | None:
    kind, _, holder = text.partition(" ")
    return Conflict(kind=ConflictKind(kind), change_id=write.row.id, holder=holder or None) if kind else None
