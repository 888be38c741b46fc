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


GROUPS = {"C": "crash", "S": "storage", "R": "races", "T": "time", "G": "gateway", "K": "callback", "X": "abuse"}

_ROWS = (
    Row("C1", "a process dies anywhere in apply", "After recovery no request is lost, doubled or in an illegal state."),
    Row("C2", "a process dies inside SQLite", "The store is complete and has every acknowledged commit."),
    Row(
        "C3",
        "a process dies in a callback, in reconcile, in an effect, or in their recovery",
        "No request is lost, doubled or in an illegal state.",
    ),
    Row(
        "C4",
        "the power fails: unsynced writes are dropped, the last one is torn",
        "The store has every acknowledged commit.",
    ),
    Row("C5", "a create is sent in its usual order", "The intent is synced before the first byte is sent."),
    Row(
        "S1", "EIO, short writes, a failed fsync", "The error is raised, the store is read again, and nothing is sent."
    ),
    Row("S2", "a full disk", "Nothing is half-written, reads work, and writes work again when there is space."),
    Row("S3", "a read-only store", "A clear error is raised before any call of the gateway."),
    Row(
        "S4",
        "a damaged JSON file: truncated, bits flipped, lines swapped",
        "Only the damaged change is set aside. Lines that are lost at the end are reported if the file `.end` exists.",
    ),
    Row(
        "S5",
        "a damaged SQLite file",
        "Every change is read as it was stored, or the damage is reported. No empty store takes the place of the file.",
    ),
    Row("S6", "a symlink, FIFO, folder or hard link at the store's path", "The path is refused."),
    Row(
        "S7",
        "a SQLite log that is removed, replaced or left out of a copy",
        "The store has every acknowledged commit, or reports that commits are missing.",
    ),
    Row(
        "S8",
        "one SQLite file that is mounted at two paths",
        "The second path is refused, by either of two signs. Nothing is lost.",
    ),
    Row("R1", "many processes on one SQLite file", "Each change has one winner, and no caller gets a lock error."),
    Row(
        "R2",
        "threads that share one workflow, and a fork after opening",
        "There is one ticket, one transition and one effect.",
    ),
    Row("R3", "reconcilers and callbacks at the same time", "There is one transition and one effect."),
    Row(
        "R4",
        "processes on one JSON file, of which one is killed with the lock",
        "The lock is released, and nothing is lost.",
    ),
    Row(
        "R5",
        "threads that share a commit of SQLite, which fails or is interrupted at any of its steps",
        "Each thread has the outcome of its own write, or an error that says that it is unknown.",
    ),
    Row("T1", "a worker that is stopped between mark and send, while another one works", "At most one create is sent."),
    Row("T2", "a wall clock that jumps by days and years", "No jump causes a send or a crash."),
    Row("T3", "a ticket that is created after the look-ups", "Attention is raised, and the sweep reports the ticket."),
    Row(
        "T4",
        "a wall clock that is set while a create is looked up, with resends allowed",
        "No create is resent before its time.",
    ),
    Row(
        "T5",
        "a wall clock that is set between submissions, and concurrent submissions",
        "The gate follows the newest submission.",
    ),
    Row(
        "G1",
        "a connection that is reset before or after the request was read, or is stale",
        "After the request was read the outcome is unknown, before it the create stays queued.",
    ),
    Row("G2", "slow headers, a body in single bytes, no answer", "The call ends at its deadline."),
    Row(
        "G3",
        "every malformed answer, and every recorded one",
        "Each answer is classified by the closed types, and no other error is raised.",
    ),
    Row("G4", "an endless body", "The body is cut at the limit, in bounded memory."),
    Row("G5", "redirects of every kind", "No redirect is followed."),
    Row("G6", "invalid certificates, plain HTTP, a broken handshake", "Nothing is sent."),
    Row(
        "G7",
        "a gateway that shows wrong numbers, creators and pages",
        "The change keeps its state, or attention is raised.",
    ),
    Row(
        "G8",
        "a gateway that fails at times, 429, Retry-After of every kind",
        "The number of calls is bounded, and they back off.",
    ),
    Row("G9", "proxies, netrc and CA files in the environment", "They are ignored unless they are configured."),
    Row(
        "G10",
        "a gateway that is gone or hangs, with many changes",
        "The gateway is not called any more after a few calls, and creates stay queued.",
    ),
    Row(
        "G11",
        "a ticket with the same id and number in another ticket system",
        "It decides nothing, and attention is raised.",
    ),
    Row(
        "K1", "one callback many times, reordered, late", "There is one transition, and a repeat is answered with 200."
    ),
    Row(
        "K2",
        "a callback before the create's answer is stored",
        "The ticket is adopted or waited for, and there is one ticket.",
    ),
    Row(
        "K3",
        "forged, foreign and old credentials; the server's token alone",
        "All get the same answer. The gateway is not called, and nothing is written.",
    ),
    Row(
        "K4",
        "a body that claims an approval, and suspended tickets",
        "The change is pending until the gateway shows the approval.",
    ),
    Row("K5", "bodies of every wrong kind", "Each is answered with 4xx, never with 5xx, and moves no change."),
    Row("K6", "other methods, paths, hosts and method overrides", "There is one route, and it accepts POST alone."),
    Row("K7", "a flood of invalid callbacks", "The gateway is not called, nothing is written, and memory is bounded."),
    Row("K8", "a store that is down during a callback", "The answer makes the server list the callback as failed."),
    Row(
        "K9",
        "a server whose workers wait for the answer to their callback",
        "The callback is answered without a call of the server.",
    ),
    Row(
        "K10",
        "a withdrawn ticket that revives and is approved",
        "The change does not flip: it is pending, or rejected with a recorded contradiction.",
    ),
    Row(
        "K11",
        "two tickets with one number, of which the other one is decided",
        "The change ends by the result of its own ticket, and an approval needs the attestation of an operator.",
    ),
    Row(
        "K12",
        "a ticket that the library withdrew, which revives and is approved",
        "It approves nothing before an operator accepts it.",
    ),
    Row(
        "K13",
        "endless authentic callbacks with a captured credential",
        "Entries and looks are bounded, and the gateway's own callback has its effect.",
    ),
    Row(
        "K14",
        "a ticket whose flow starts hours later, or never",
        "Attention is raised. If the change is abandoned, the ticket is withdrawn.",
    ),
    Row(
        "X1",
        "injection into ids, numbers, titles and statuses",
        "No file outside the store is touched, and no log line is forged.",
    ),
    Row(
        "X2",
        "secrets in every place that a run reaches",
        "No log, repr, traceback, pickle, row or answer contains a secret.",
    ),
    Row(
        "X3", "attempts to move a change without the machine", "They are not possible, or the store refuses the write."
    ),
    Row(
        "X4",
        "effects that raise, hang, re-enter, exit or kill their process",
        "State and effects stay consistent, and a failing effect is parked in the end.",
    ),
    Row("X5", "memory that runs out", "There is a clean error or the process dies, and another process recovers."),
    Row(
        "X6", "damaged changes, stray entries and failing due rules among many changes", "Every other change is moved."
    ),
    Row(
        "X7",
        "a ticket that the applicant files under the key of her own change",
        "It is never bound, and an operator sees the differences.",
    ),
    Row("X8", "changes that are moved by processes without their effects, or with other leases", "No effect is lost."),
)

ROWS = {row.id: row for row in _ROWS}
