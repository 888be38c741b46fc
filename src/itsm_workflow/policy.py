"""The waits, leases and limits of a workflow, as one value."""

from __future__ import annotations

import datetime as dt

import attrs

LONGEST = dt.timedelta(days=3650)
"""The longest wait. A time this far ahead can still be stored, in every store and for every reader."""

_LOOKUPS, _TIMES = 64, 1000


def _is_time(value: object) -> bool:
    return isinstance(value, dt.timedelta) and dt.timedelta() <= value <= LONGEST


def _seconds(default: float) -> dt.timedelta:
    def bounded(_instance: object, attribute: attrs.Attribute[dt.timedelta], value: dt.timedelta) -> None:
        if not _is_time(value):
            rule = f"must be a timedelta of at least 0 and at most {LONGEST.days} days"
            raise ValueError(f"Policy.{attribute.name} {rule}, not {value!r}")

    return attrs.field(default=dt.timedelta(seconds=default), validator=bounded)


def _count(default: int, least: int) -> int:
    def bounded(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
        if type(value) is not int or not least <= value <= _TIMES:
            raise ValueError(f"Policy.{attribute.name} must be a whole number from {least} to {_TIMES}, not {value!r}")

    return attrs.field(default=default, validator=bounded)


MINUTE, HOUR, DAY = 60, 3600, 86400


@attrs.frozen(kw_only=True)
class Policy:
    """The timings of a workflow: intervals of looks, back-off, leases, and the times before attention is raised.

    A duration is a `datetime.timedelta` from 0 to 3650 days, a count a whole number up to 1000. The policy checks its
    values when it is created. A `Workflow` checks those that depend on the gateway's deadline, and raises
    `SettingsError`.

    Raises:
        ValueError: A value has the wrong type or is out of bounds, `lookups` is empty or not ascending, or
            `apply_budget` is less than `send_least`. The message names the value.

    Attributes:
        send_lease: The lease of a send. When it expires without a result, the outcome counts as unknown. A send begins
            only while the rest of its lease covers the gateway's whole deadline, even after a slow commit.
        send_margin: The least difference between `send_lease` and that deadline.
        apply_budget: The total time of `Workflow.apply` and `submit`: to look up the service and its list of fields, to
            send, and to look up the result. The next pass does the rest.
        send_least: The part of that time that must be left for the create. With less, the change stays queued.
        fields_most: The longest time to read the service's list of fields, with which a form is compared.
        fields_least: The least time with which that reading begins; with less, only the cached list is used.
        late_arrival: The time after its deadline in which a request may still reach the ticket system.
        unsent_retry: The wait before the retry of a send of which certainly nothing was sent; doubles each time.
        unsent_retry_cap: The longest such wait, also of the first.
        unsent_attempts: The number of such sends in a row after which attention is raised.
        clock_skew: The largest delay of the gateway's clock against the local one. A ticket that was created longer
            than this before the submission, by the gateway's clock, does not belong to the change.
        lookups: The waits before each look-up of a ticket whose create is unknown. The first wait starts when the
            outcome becomes unknown, each other one at the look-up before. A match counts immediately, absence only
            after the last look-up. A wait has passed when the wall clock and an independent clock, the machine's boot
            time or the gateway's ``Date``, both show it.
        resends: The number of resends, without a person's decision, of a create that no look-up of the schedule found.
            With 0, the strict default, the library never resends, so it creates at most one ticket. With more, a late
            request can create a second ticket, which carries the same key and is reported. The last of `lookups` must
            then be at least `send_lease`, the gateway's deadline and `late_arrival` together.
        late_look: The interval of look-ups after the schedule has ended; ``poll`` if that is shorter and the gateway
            could not be asked.
        sweep_every: The interval of looks at an ended change.
        sweep_for: The time for which these looks continue, for endings that can revive and creates that were unknown.
        poll: The interval of looks at a waiting change without a hint.
        rare_poll: The interval of such looks by `Workflow.reconcile` while callbacks arrive. By default it equals
            `poll`; a shorter one has no effect.
        soon: The first wait after a hint that showed nothing new; it doubles, up to ``poll``. Also the shortest wait
            after a look, even if a due rule of the host returns a shorter one.
        callbacks: The number of callbacks of one attempt that are stored; the same number again after the change has
            ended. A further callback only makes the change due for the next pass, after ``soon``. So an attacker with
            a stolen credential can neither fill the store nor suppress the gateway's own callback.
        close_wait: The longest time for which closing a workflow, or the exit of the interpreter, waits for background
            looks.
        quiet: The time for which a withdrawn or terminated ticket must stay so before the library accepts it. With 0,
            the next look is accepted, even though the ticket may revive.
        withdraw_age: The least age at which a ticket is withdrawn. The flow of a younger ticket may not have started,
            so the ticket could revive.
        read_lease: The lease of a look. When it expires, another worker may look at the change. A look that only
            follows the last one after ``poll`` has ``poll`` as its lease, if that is longer.
        look_least: The least time of a look that `Workflow.reconcile` begins near the end of its ``seconds``. Looks may
            make a pass exceed its ``seconds`` by this much.
        effect_lease: The lease of a delivery. When it expires, another worker delivers the effect again.
        effect_backoff: The wait after the first failed delivery; doubles each time.
        effect_backoff_cap: The longest such wait, also of the first.
        effect_attempts: The number of deliveries without success after which an effect is parked.
        effect_unknown: The time for which an effect may be due while no process that looks at its change has a function
            for it; attention is raised after that.
        not_started: The greatest age of a ticket of whose flow no step runs, so no approver is asked to decide it;
            attention is raised after that. A busy ticket system starts a flow within half a minute.
        not_started_every: The interval of the looks at such a ticket that show whether a step runs.
        overdue: The greatest age of a waiting ticket; attention is raised after that.
    """

    send_lease: dt.timedelta = _seconds(30)
    send_margin: dt.timedelta = _seconds(5)
    fields_most: dt.timedelta = _seconds(2)
    fields_least: dt.timedelta = _seconds(0.25)
    late_arrival: dt.timedelta = _seconds(60)
    apply_budget: dt.timedelta = _seconds(15)
    send_least: dt.timedelta = _seconds(10)
    unsent_retry: dt.timedelta = _seconds(30)
    unsent_retry_cap: dt.timedelta = _seconds(1 * HOUR)
    unsent_attempts: int = _count(8, 1)
    clock_skew: dt.timedelta = _seconds(10 * MINUTE)
    lookups: tuple[dt.timedelta, ...] = tuple(dt.timedelta(seconds=s) for s in (0, 1, 5, 30, 120, 240, 480))
    resends: int = _count(0, 0)
    late_look: dt.timedelta = _seconds(1 * HOUR)
    sweep_every: dt.timedelta = _seconds(6 * HOUR)
    sweep_for: dt.timedelta = _seconds(7 * DAY)
    poll: dt.timedelta = _seconds(5 * MINUTE)
    rare_poll: dt.timedelta = _seconds(5 * MINUTE)
    soon: dt.timedelta = _seconds(1)
    callbacks: int = _count(20, 1)
    close_wait: dt.timedelta = _seconds(10)
    quiet: dt.timedelta = _seconds(60)
    withdraw_age: dt.timedelta = _seconds(5)
    read_lease: dt.timedelta = _seconds(60)
    look_least: dt.timedelta = _seconds(2)
    effect_lease: dt.timedelta = _seconds(5 * MINUTE)
    effect_backoff: dt.timedelta = _seconds(10)
    effect_backoff_cap: dt.timedelta = _seconds(1 * HOUR)
    effect_attempts: int = _count(8, 1)
    effect_unknown: dt.timedelta = _seconds(1 * HOUR)
    not_started: dt.timedelta = _seconds(5 * MINUTE)
    not_started_every: dt.timedelta = _seconds(1 * HOUR)
    overdue: dt.timedelta = _seconds(14 * DAY)

    def __attrs_post_init__(self) -> None:
        """Reject a budget that is too short for a send, and a look-up schedule that is empty or not ascending."""
        given: object = self.lookups
        fits = isinstance(given, tuple) and 0 < len(given) <= _LOOKUPS and all(map(_is_time, given))
        if not fits or list(self.lookups) != sorted(self.lookups):
            rule = f"1 to {_LOOKUPS} timedeltas of at least 0 and at most {LONGEST.days} days, in ascending order"
            raise ValueError(f"Policy.lookups must be a tuple of {rule}, not {given!r}")
        if self.apply_budget < self.send_least or not self.apply_budget:
            least = f"Policy.send_least, {_shown(self.send_least)}"
            raise ValueError(
                f"Policy.apply_budget must be above 0 and at least {least}, not {_shown(self.apply_budget)}"
            )

    def misfits(self, deadline: dt.timedelta) -> list[str]:
        """Return the timings that are too short for the deadline of a gateway call; empty if none is."""
        found = []
        needed = deadline + self.send_margin
        if self.send_lease < needed:
            found.append(
                f"Policy.send_lease is {_shown(self.send_lease)}, but must be at least that call and "
                f"Policy.send_margin, {_shown(self.send_margin)}, together: {_shown(needed)}"
            )
        if self.read_lease <= deadline:
            found.append(f"Policy.read_lease is {_shown(self.read_lease)}, but must be longer than that call")
        needed = self.send_lease + deadline + self.late_arrival
        if self.resends and self.lookups[-1] < needed:
            found.append(
                f"the last of Policy.lookups is {_shown(self.lookups[-1])}, but with Policy.resends, {self.resends}, "
                f"must be at least Policy.send_lease, {_shown(self.send_lease)}, that call and Policy.late_arrival, "
                f"{_shown(self.late_arrival)}, together: {_shown(needed)}"
            )
        return found

    @property
    def longest_wait(self) -> dt.timedelta:
        """The longest time by which the library ever postpones anything."""
        return max(
            self.send_lease,
            self.unsent_retry_cap,
            *self.lookups,
            self.late_look,
            self.sweep_every,
            self.poll,
            self.rare_poll,
            self.soon,
            self.quiet,
            self.withdraw_age,
            self.read_lease,
            self.effect_lease,
            self.effect_backoff_cap,
        )

    def horizon(self, now: dt.datetime) -> dt.datetime:
        """Return the latest due time that a correct clock can have set until now."""
        return now + min(self.longest_wait, dt.datetime.max.replace(tzinfo=now.tzinfo) - now)

    def lookup_wait(self, looks: int) -> dt.timedelta:
        """Return the wait after that many look-ups; the last wait of the schedule repeats."""
        return self.lookups[min(looks, len(self.lookups) - 1)]

    def effect_wait(self, failures: int) -> dt.timedelta:
        """Return the wait after that many failed deliveries."""
        return _doubled(self.effect_backoff, failures, self.effect_backoff_cap)

    def unsent_wait(self, failures: int) -> dt.timedelta:
        """Return the wait after that many sends of which nothing was sent."""
        return _doubled(self.unsent_retry, failures, self.unsent_retry_cap)


def _shown(time: dt.timedelta) -> str:
    return f"{time.total_seconds():g} s"


def _doubled(first: dt.timedelta, times: int, cap: dt.timedelta) -> dt.timedelta:
    doublings = 1 << min(max(times - 1, 0), 128)
    if first > cap // doublings:  # before it is doubled: a timedelta can overflow
        return cap
    return first * doublings
