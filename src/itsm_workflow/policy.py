"""Every timing of the library, as one value; nothing else in it waits for a constant."""

from __future__ import annotations

import datetime as dt

import attrs


def _is_time(value: object) -> bool:
    return isinstance(value, dt.timedelta) and value >= dt.timedelta()


def _seconds(default: float) -> dt.timedelta:
    def not_negative(_instance: object, attribute: attrs.Attribute[dt.timedelta], value: dt.timedelta) -> None:
        if not _is_time(value):
            raise ValueError(f"Policy.{attribute.name} must be a timedelta of at least 0, not {value!r}")

    return attrs.field(default=dt.timedelta(seconds=default), validator=not_negative)


MINUTE, HOUR, DAY = 60, 3600, 86400


@attrs.frozen(kw_only=True)
class Policy:
    """When to look, how long to wait, when to call a person.

    Attributes:
        freshness: A send is dropped (and queued again) if more time passed since it was marked: the process was
            stopped in between, and another may have taken over.
        send_lease: After this time a send whose owner is silent counts as unknown. Longer than the gateway's deadline.
        unsent_retry: Wait before a send that provably never left is tried again; doubles each time.
        unsent_retry_cap: The longest such wait.
        unsent_attempts: Sends in a row that never left after which a person is told.
        lookups: When to look for a ticket whose create is unknown, counted from then. A match counts at once;
            absence only after the last.
        resends: How often a create that no look-up of the whole schedule found is sent again without asking a person.
            0, the strict way, is never: at most one ticket is made by us. With n, one late or frozen request can make
            a second ticket, which carries the same key and is reported.
        late_look: How often to look on after the schedule was used up.
        sweep_every: How often an ended change is looked at again.
        sweep_for: How long: for endings that can revive and creates that were unknown.
        poll: How often a waiting change is looked at without a hint.
        soon: The first wait after a hint that showed nothing new; it doubles, up to ``poll``.
        quiet: How long a withdrawn or terminated ticket must stay so before it is believed.
        withdraw_age: A younger ticket is not withdrawn, since its flow may not have started and could revive.
        read_lease: How long a claimed look may take before another worker looks.
        effect_lease: How long a delivery may take before another worker delivers again.
        effect_backoff: Wait after the first failed delivery; doubles each time.
        effect_backoff_cap: The longest such wait.
        effect_attempts: Failed deliveries after which an effect is parked.
        overdue: How old a waiting ticket may get before a person is told.
    """

    freshness: dt.timedelta = _seconds(2)
    send_lease: dt.timedelta = _seconds(30)
    unsent_retry: dt.timedelta = _seconds(30)
    unsent_retry_cap: dt.timedelta = _seconds(1 * HOUR)
    unsent_attempts: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    lookups: tuple[dt.timedelta, ...] = tuple(dt.timedelta(seconds=s) for s in (0, 1, 5, 30, 120, 240, 480))
    resends: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    late_look: dt.timedelta = _seconds(1 * HOUR)
    sweep_every: dt.timedelta = _seconds(6 * HOUR)
    sweep_for: dt.timedelta = _seconds(7 * DAY)
    poll: dt.timedelta = _seconds(5 * MINUTE)
    soon: dt.timedelta = _seconds(1)
    quiet: dt.timedelta = _seconds(60)
    withdraw_age: dt.timedelta = _seconds(5)
    read_lease: dt.timedelta = _seconds(60)
    effect_lease: dt.timedelta = _seconds(5 * MINUTE)
    effect_backoff: dt.timedelta = _seconds(10)
    effect_backoff_cap: dt.timedelta = _seconds(1 * HOUR)
    effect_attempts: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    overdue: dt.timedelta = _seconds(14 * DAY)

    def __attrs_post_init__(self) -> None:
        """Refuse a look-up schedule that is empty, goes backwards, or is no schedule."""
        if not self.lookups or not all(map(_is_time, self.lookups)) or list(self.lookups) != sorted(self.lookups):
            rule = "must name at least one timedelta of at least 0, in ascending order"
            raise ValueError(f"Policy.lookups {rule}, not {self.lookups!r}")

    @property
    def longest_wait(self) -> dt.timedelta:
        """The furthest ahead that anything is ever put off."""
        return max(
            self.send_lease,
            self.unsent_retry_cap,
            self.lookups[-1],
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

    def effect_wait(self, failures: int) -> dt.timedelta:
        """Return the wait after that many failed deliveries."""
        return _doubled(self.effect_backoff, failures, self.effect_backoff_cap)

    def unsent_wait(self, failures: int) -> dt.timedelta:
        """Return the wait after that many sends that never left."""
        return _doubled(self.unsent_retry, failures, self.unsent_retry_cap)


def _doubled(first: dt.timedelta, times: int, cap: dt.timedelta) -> dt.timedelta:
    doublings = 1 << min(max(times - 1, 0), 128)
    if first > cap // doublings:  # before it is doubled: a timedelta can overflow
        return cap
    return first * doublings
