"""The metrics, in the text format of Prometheus. No label comes from what strangers write: labels are the names of
mailboxes, fixed words, and the kinds of replies, among them the labels of the author's own files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final, get_args

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from sequencer.daemon.vitals import Count, Vitals
from sequencer.operations.figures import Hold, MailboxFigures
from sequencer.operations.happenings import What
from sequencer.store.mailboxes import MailboxState
from sequencer.web.watch import Watch

OUTCOMES: Final[dict[What, str]] = {
    "sent": "accepted",
    "deferred": "deferred",
    "rejected": "rejected",
    "in_doubt": "in_doubt",
}
"""What the daemon tells of a message, by the outcome of its attempt."""


class _Present:
    """A collector of metrics that are at hand already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> list[Metric]:
        return self._metrics


async def exposition(
    watch: Watch, figures: tuple[MailboxFigures, ...], now: datetime, accept: str
) -> tuple[bytes, str]:
    """The body and its content type, in the format that `accept` (a header, or empty) asks for.

    Rendered in a thread: with a thousand mailboxes it takes a quarter of a second, in which others want to send.
    """
    told = [*_of_messages(watch.vitals), *_of_daemon(watch, figures)]
    return await asyncio.to_thread(_render, figures, told, now, accept)


def _render(
    figures: tuple[MailboxFigures, ...], told: Iterable[Metric], now: datetime, accept: str
) -> tuple[bytes, str]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Present([*_of_mailboxes(figures, now), *told]))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type


# Mailboxes -------------------------------------------------------------------------------------------


def _of_mailboxes(figures: tuple[MailboxFigures, ...], now: datetime) -> Iterator[Metric]:
    def gauge(name: str, text: str, value: Callable[[MailboxFigures], float | None]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"sequencer_mailbox_{name}", text, labels=["mailbox"])
        for box in figures:
            if (number := value(box)) is not None:
                family.add_metric([box.name], number)
        return family

    def age(at: datetime | None) -> float | None:
        return None if at is None else max(0.0, (now - at).total_seconds())

    yield gauge(
        "inbox_age_seconds",
        "Seconds since the inbox was read to its end; nothing is sent on one older than 600. Absent: never read.",
        lambda box: age(box.inbox_read_at),
    )
    yield gauge("due", "Enrollments whose time has come, held ones not counted.", lambda box: box.due)
    yield gauge(
        "oldest_due_age_seconds",
        "For how many seconds the first of those who are due has been due; 0 when nobody is.",
        lambda box: age(box.due_since) or 0.0,
    )
    yield gauge("in_doubt", "Messages that may or may not have arrived.", lambda box: box.in_doubt)
    yield gauge("set_aside", "What could not be processed and nobody has cleared yet.", lambda box: box.set_aside)
    yield gauge("alerts_untold", "Alerts that have not reached anybody yet.", lambda box: box.untold)
    yield gauge("owned", "1 while this daemon holds the mailbox's lease.", lambda box: float(box.owned))
    yield _held(figures)
    yield _states(figures)


def _held(figures: tuple[MailboxFigures, ...]) -> Metric:
    family = GaugeMetricFamily(
        "sequencer_mailbox_held", "Enrollments that are due but held, by kind of hold.", labels=["mailbox", "hold"]
    )
    for box in figures:
        for hold in get_args(Hold):
            family.add_metric([box.name, hold], box.held.get(hold, 0))
    return family


def _states(figures: tuple[MailboxFigures, ...]) -> Metric:
    family = GaugeMetricFamily(
        "sequencer_mailbox_state",
        "1 for the state that the mailbox is in, 0 for the others.",
        labels=["mailbox", "state"],
    )
    for box in figures:
        for state in MailboxState:
            family.add_metric([box.name, state.value], float(box.state is state))
    return family


# What was told ---------------------------------------------------------------------------------------


def _of_messages(vitals: Vitals) -> Iterator[Metric]:
    messages = CounterMetricFamily(
        "sequencer_messages",
        "Messages handed to SMTP since the daemon started, by what became of them.",
        labels=["mailbox", "outcome"],
    )
    for name in _names(vitals):
        for what, outcome in OUTCOMES.items():
            messages.add_metric([name, outcome], vitals.counts.get(Count(what, name), 0))
    yield messages
    received = CounterMetricFamily(
        "sequencer_received",
        "Mails taken in since the daemon started that belong to a thread, by kind.",
        labels=["mailbox", "kind"],
    )
    for count, number in sorted(vitals.counts.items()):
        if kind := _kind(count):
            received.add_metric([count.mailbox, kind], number)
    yield received
    failures = CounterMetricFamily(
        "sequencer_worker_failures",
        "How often a mailbox's worker ended with an error since the daemon started.",
        labels=["mailbox"],
    )
    for name in _names(vitals):
        failures.add_metric([name], vitals.failures[name])
    yield failures


def _names(vitals: Vitals) -> list[str]:
    """The mailboxes that are or were this daemon's: a counter that has begun does not vanish."""
    counted = {count.mailbox for count in vitals.counts if count.mailbox}
    return sorted({*vitals.workers, *vitals.failures, *counted})


def _kind(count: Count) -> str:
    if count.what == "hand_written":
        return count.what
    return count.kind if count.what in ("replied", "notice") else ""


# The daemon ------------------------------------------------------------------------------------------


def _of_daemon(watch: Watch, figures: tuple[MailboxFigures, ...]) -> Iterator[Metric]:
    vitals = watch.vitals

    def gauge(name: str, text: str, value: float) -> Metric:
        return GaugeMetricFamily(f"sequencer_{name}", text, value=value)

    yield gauge("start_time_seconds", "When the daemon started, in seconds since 1970.", vitals.started_at.timestamp())
    yield gauge("leases_owned", "Mailboxes that this daemon owns.", sum(box.owned for box in figures))
    configured = len(vitals.live.workspace.config.mailboxes)
    yield gauge(
        "mailboxes_configured", "Mailboxes in config.yaml; over all daemons, as many leases are owned.", configured
    )
    yield gauge("workers_failing", "Workers that failed and have not got through a turn since.", len(vitals.failing()))
    yield gauge("tasks_stuck", "Tasks of the daemon that do not get on.", len(vitals.stuck()))
    yield gauge(
        "event_loop_lag_seconds",
        "By how much the event loop was late, the worst of the last minute.",
        max(watch.lags, default=0.0),
    )
