"""The fault matrix: the faults that are injected, and the promises that must hold."""

from __future__ import annotations

import attrs


@attrs.frozen
class Row:
    """One line of the matrix.

    Attributes:
        id: The name of the row; the tests of the row have it in their names.
        fault: The fault that is injected.
        promise: The promise that must hold.
    """

    id: str
    fault: str
    promise: str

    @property
    def group(self) -> str:
        """The group whose test file has the row's tests."""
        return GROUPS[self.id[0]]


GROUPS = {
    "C": "crash",
    "S": "storage",
    "R": "races",
    "T": "time",
    "G": "gateway",
    "K": "callback",
    "X": "abuse",
}

_ROWS = (
    Row("C1", "process death anywhere in apply", "nothing lost, doubled or illegal after recovery"),
    Row("C2", "process death inside SQLite", "the store is whole, and what was acknowledged is there"),
    Row(
        "C3", "process death in callback, reconcile, effect, and in their recovery", "nothing lost, doubled or illegal"
    ),
    Row("C4", "power loss: unsynced writes dropped, the last one torn", "what was acknowledged is there"),
    Row("C5", "order of durability", "the intent is synced before the first byte is sent"),
    Row("S1", "EIO, short writes, a failed fsync", "the error surfaces, the store is read again, nothing is sent"),
    Row("S2", "disk full", "nothing half-written; reads work; it recovers when there is space"),
    Row("S3", "a read-only store", "a clear error before any call of the gateway"),
    Row(
        "S4",
        "a corrupt JSON file: truncated, bits flipped, lines swapped",
        "one change is set aside, never the file; a cut end is missed if the file beside it says where it was",
    ),
    Row("S5", "a corrupt SQLite file", "what is read is true, or the damage is told; no empty store in its place"),
    Row("S6", "symlink, FIFO, folder or hard link at the store's path", "refused"),
    Row("S7", "a SQLite log removed, replaced or left out of a copy", "what was acknowledged is there, or is missed"),
    Row("S8", "one SQLite file mounted at two paths", "refused, by either of two signs; nothing is lost"),
    Row("R1", "many processes on one SQLite file", "one winner each, nobody sees a lock"),
    Row("R2", "threads that share one workflow; a fork after opening", "one ticket, one transition, one effect"),
    Row("R3", "reconcilers and callbacks at once", "one transition, one effect"),
    Row("R4", "processes on one JSON file, one killed with the lock", "the lock is free again, nothing is lost"),
    Row("T1", "a worker stopped between mark and send, another one active", "at most one create"),
    Row("T2", "a wall clock that jumps by days and years", "nothing is sent for it, no crash"),
    Row("T3", "a ticket that is born after the look-ups", "a person is told; the sweep reports it"),
    Row("T4", "a wall clock that is set while a create is looked up, and resends allowed", "no resend before its time"),
    Row("T5", "a wall clock that is set between submissions, submissions at once", "the gate goes by the newest one"),
    Row("G1", "reset before or after the request was read, a stale connection", "unknown after, queued before"),
    Row("G2", "slow headers, a dripping body, no answer", "the deadline ends it"),
    Row("G3", "every malformed answer, and every recorded one", "the closed classification; nothing else escapes"),
    Row("G4", "an endless body", "cut at the cap, in bounded memory"),
    Row("G5", "redirects of every kind", "never followed"),
    Row("G6", "certificates that do not hold, plain HTTP, a broken handshake", "nothing is sent"),
    Row("G7", "a gateway that lies about numbers, creators, pages", "the change stays, or a person is told"),
    Row("G8", "a flapping gateway, 429, Retry-After of every kind", "bounded calls, back-off"),
    Row("G9", "proxies, netrc and CA files in the environment", "ignored unless configured"),
    Row("G10", "a gateway that is gone or hangs, many changes", "left alone after a few calls; creates stay queued"),
    Row("G11", "a ticket of the same id and number in another ticket system", "decides nothing; a person is told"),
    Row("K1", "one callback many times, reordered, late", "one transition, and 200 for repeats"),
    Row("K2", "a callback before the create's answer is stored", "adopted or waited for; one ticket"),
    Row("K3", "forged, foreign and old credentials; the server's token alone", "one answer; no call, no write"),
    Row("K4", "a body that lies; suspended tickets", "pending until the gateway shows the approval"),
    Row("K5", "bodies of every wrong kind", "4xx, never 5xx; no change"),
    Row("K6", "other methods, paths, hosts, overrides", "one route, POST alone"),
    Row("K7", "a flood of invalid callbacks", "no call, no write, bounded memory"),
    Row("K8", "a store that is down during a callback", "an answer that makes the server list it"),
    Row("K9", "a server whose workers wait in our callback", "answered without calling back"),
    Row("K10", "a withdrawn ticket that revives and is approved", "no flip: pending, or rejected with a contradiction"),
    Row("K11", "two tickets with one sn, the other one decided", "ours ends by its own row; a person attests approval"),
    Row(
        "K12",
        "a ticket that we withdrew, which revives and is approved",
        "approves nothing before an operator accepts",
    ),
    Row("K13", "authentic callbacks without end, of a captured credential", "bounded entries and looks; ours is heard"),
    Row("K14", "a ticket whose flow starts hours later, or never", "a person is told; given up, it is withdrawn"),
    Row("X1", "injection into ids, numbers, titles and statuses", "no file outside, no line of its own in a log"),
    Row("X2", "secrets", "in no log, repr, traceback, pickle, row or answer"),
    Row("X3", "ways around the machine", "not reachable, and the store refuses"),
    Row(
        "X4",
        "effects that raise, hang, re-enter, exit or kill their process",
        "state and effects stay consistent; parked in the end",
    ),
    Row("X5", "memory that runs out", "a clean error or death, and recovery"),
    Row("X6", "damaged changes, stray entries and failing due rules among many changes", "every other change goes on"),
    Row("X7", "a ticket of the applicant's own under the key of her change", "never bound; a person sees what differs"),
    Row("X8", "processes that do not have the effects, or have other leases, move the changes", "no effect is lost"),
)

ROWS = {row.id: row for row in _ROWS}
