"""Every timing of the library, as one value; nothing else in it waits for a constant."""

from __future__ import annotations

import datetime as dt

import attrs

LONGEST = dt.timedelta(days=3650)
"""No wait may be longer: a time so far ahead can still be written, in every store and for every reader."""

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
    """When to look, how long to wait, when to call a person.

    A duration is a `datetime.timedelta` from 0 to 3650 days, a count a whole number up to 1000. Each value is checked
    when the policy is made, and those that go with the gateway's deadline when a `Workflow` is made with both, which
    raises `SettingsError`.

    Raises:
        ValueError: A value is of another type or out of bounds, `lookups` is empty or does not ascend, or
            `apply_budget` is less than `send_least`. It names the value.

    Attributes:
        send_lease: After this time a send whose owner is silent counts as unknown. A send begins only while what is
            left of its lease covers the gateway's whole deadline, however long the commit took that marked it.
        send_margin: What `send_lease` leaves at least beyond that deadline.
        apply_budget: What `Workflow.apply` and `submit` may take in all: to look up the service and its list of fields,
            to send, and to look up what came of it. What does not fit is left to the next pass.
        send_least: What of that must be left for the create; with less, the change stays queued.
        late_arrival: How long after its deadline a request that left may still reach the ticket system.
        unsent_retry: Wait before a send that provably never left is tried again; doubles each time.
        unsent_retry_cap: The longest such wait, also of the first.
        unsent_attempts: Sends in a row that never left after which a person is told.
        clock_skew: How far behind ours the gateway's clock may be: a ticket that it says was made longer than this
            before the change was submitted is not the change's own.
        lookups: The waits before each look for a ticket whose create is unknown: the first counts from then, each
            other from the look before. A match counts at once, absence only after the last. A wait has passed when
            the wall clock and a clock that is independent of it, the machine's boot time or the gateway's ``Date``,
            both say so.
        resends: How often a create that no look-up of the whole schedule found is sent again without asking a person.
            0, the strict way, is never: at most one ticket is made by us. With n, one late or frozen request can make
            a second ticket, which carries the same key and is reported. The last of `lookups` is then at least
            `send_lease`, the gateway's deadline and `late_arrival` together.
        late_look: How often to look on after the schedule was used up; where the gateway could not be asked, ``poll``
            if that is shorter.
        sweep_every: How often an ended change is looked at again.
        sweep_for: How long: for endings that can revive and creates that were unknown.
        poll: How often a waiting change is looked at without a hint.
        soon: The first wait after a hint that showed nothing new; it doubles, up to ``poll``. Also the shortest wait
            after a look, whatever a due rule of the host says.
        callbacks: Callbacks of one attempt that are stored, and as many that come after the change has ended. A further
            one only makes the change due for the next pass, after ``soon``. So whoever captured a change's credential
            can neither fill the store nor keep the gateway's own callback from being heard.
        close_wait: How long closing a workflow, or the exit of the interpreter, waits for looks in the background.
        quiet: How long a withdrawn or terminated ticket must stay so before it is believed; 0 believes the next look,
            also of a ticket that revives.
        withdraw_age: A younger ticket is not withdrawn, since its flow may not have started and could revive.
        read_lease: How long a claimed look may take before another worker looks.
        look_least: What a look has at least that `Workflow.reconcile` begins near the end of its ``seconds``: by so
            much a pass may overrun them over looks.
        effect_lease: How long a delivery may take before another worker delivers again.
        effect_backoff: Wait after the first failed delivery; doubles each time.
        effect_backoff_cap: The longest such wait, also of the first.
        effect_attempts: Deliveries without success after which an effect is parked.
        effect_unknown: How long an effect may be due without a process that looks at its change having a function for
            it, before a person is told.
        not_started: How old a ticket may get of whose flow no step runs before a person is told: nobody is asked to
            decide it. A loaded ticket system begins a flow within half a minute.
        overdue: How old a waiting ticket may get before a person is told.
    """

    send_lease: dt.timedelta = _seconds(30)
    send_margin: dt.timedelta = _seconds(5)
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
    overdue: dt.timedelta = _seconds(14 * DAY)

    def __attrs_post_init__(self) -> None:
        """Refuse a budget for less than one send, and a look-up schedule that is empty or not in ascending order."""
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
        """Return what is too short beside the time that one call of the gateway may take; empty if all of it fits."""
        found = []
        needed = deadline + self.send_margin
        if self.send_lease < needed:
            found.append(
                f"Policy.send_lease is {_shown(self.send_lease)}, and must be at least that call and "
                f"Policy.send_margin, {_shown(self.send_margin)}, together: {_shown(needed)}"
            )
        if self.read_lease <= deadline:
            found.append(f"Policy.read_lease is {_shown(self.read_lease)}, and must be longer than that call")
        needed = self.send_lease + deadline + self.late_arrival
        if self.resends and self.lookups[-1] < needed:
            found.append(
                f"the last of Policy.lookups is {_shown(self.lookups[-1])}, and with Policy.resends, {self.resends}, "
                f"must be at least Policy.send_lease, {_shown(self.send_lease)}, that call and Policy.late_arrival, "
                f"{_shown(self.late_arrival)}, together: {_shown(needed)}"
            )
        return found

    @property
    def longest_wait(self) -> dt.timedelta:
        """The furthest ahead that anything is ever put off."""
        return max(
            self.send_lease,
            self.unsent_retry_cap,
            *self.lookups,
            self.late_look,
            self.sweep_every,
            self.poll,
            self.soon,
            self.quiet,
            self.withdraw_age,
            self.read_lease,
            self.effect_lease,
            self.effect_backoff_cap,
        )

    def horizon(self, now: dt.datetime) -> dt.datetime:
        """Return the latest time to which anything can have been put off by now."""
        return now + min(self.longest_wait, dt.datetime.max.replace(tzinfo=now.tzinfo) - now)

    def lookup_wait(self, looks: int) -> dt.timedelta:
        """Return the wait before the look-up after that many; the last one stands for all that follow it."""
        return self.lookups[min(looks, len(self.lookups) - 1)]

    def effect_wait(self, failures: int) -> dt.timedelta:
        """Return the wait after that many failed deliveries."""
        return _doubled(self.effect_backoff, failures, self.effect_backoff_cap)

    def unsent_wait(self, failures: int) -> dt.timedelta:
        """Return the wait after that many sends that never left."""
        return _doubled(self.unsent_retry, failures, self.unsent_retry_cap)


def _shown(time: dt.timedelta) -> str:
    return f"{time.total_seconds():g} s"


def _doubled(first: dt.timedelta, times: int, cap: dt.timedelta) -> dt.timedelta:
    doublings = 1 << min(max(times - 1, 0), 128)
    if first > cap // doublings:  # before it is doubled: a timedelta can overflow
        return cap
    return first * doublings
