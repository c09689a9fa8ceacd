"""Small charts as inline SVG: pure functions from numbers to markup.

They carry no styles of their own but classes (`report.css`), so that light, dark and paper each have their colours, and
say in words what they show (`<title>` and `<desc>`, SVG 1.1 §5.4). The numbers stand beside them as text or in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

from sequencer.core.survival import Point
from sequencer.operations.report_words import shade

DAY: Final = 22
LABEL: Final = 42
WIDTH: Final = 580
HEIGHT: Final = 250
LEFT: Final = 48
BELOW: Final = 34
TICKS: Final = (1, 2, 5)
STRETCHES: Final = (7, 14, 30, 60, 90, 180, 360, 720)


def bar(share: float, words: str) -> Markup:
    """A horizontal bar of this share (0 to 1) of the width it is given."""
    return _strip(f'<rect class="bar" width="{_number(100 * share)}" height="10"/>', words)


def bar_with_interval(rate: float | None, low: float, high: float, most: float, words: str) -> Markup:
    """A bar of a rate, with the line between which the true one lies; `most` fills the whole width."""

    def place(value: float) -> str:
        return _number(100 * min(1.0, value / most)) if most else "0"

    drawn = f'<rect class="bar" width="{place(rate)}" height="10"/>' if rate else ""
    drawn += (
        f'<path class="whisker" d="M{place(low)} 5H{place(high)}M{place(low)} 2V8M{place(high)} 2V8"'
        ' vector-effect="non-scaling-stroke"/>'
    )
    return _strip(drawn, words)


def _strip(drawn: str, words: str) -> Markup:
    return Markup(  # noqa: S704 (numbers, and words that are escaped)
        f'<svg class="strip" viewBox="0 0 100 10" preserveAspectRatio="none" role="img"><title>{escape(words)}</title>'
        f'<rect class="groove" width="100" height="10"/>{drawn}</svg>'
    )


def heat(cells: Sequence[int], days: Sequence[str], name: str, description: str) -> Markup:
    """Hours of the week (168 counts, Monday first) as shades, 24 to a row."""
    most = max(cells, default=0)
    width, height = LABEL + 24 * DAY, 7 * DAY + 22
    parts = [f'<svg class="heat" viewBox="0 0 {width} {height}" role="img">', _told(name, description)]
    for hour in range(0, 24, 3):
        parts.append(f'<text x="{LABEL + hour * DAY + DAY / 2:.0f}" y="14" text-anchor="middle">{hour}</text>')
    for number, day in enumerate(days):
        top = 22 + number * DAY
        parts.append(f'<text x="{LABEL - 8}" y="{top + 15}" text-anchor="end">{escape(day[:3])}</text>')
        for hour in range(24):
            count = cells[number * 24 + hour]
            parts.append(
                f'<rect class="h{shade(count, most)}" x="{LABEL + hour * DAY + 1}" y="{top + 1}" width="{DAY - 2}"'
                f' height="{DAY - 2}" rx="3"><title>{escape(day)} {hour}:00 to {hour + 1}:00: {count}</title></rect>'
            )
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 (numbers, and words that are escaped)


def rising(points: Sequence[Point], longest: float, name: str, description: str) -> Markup:
    """A share that rises with the days, as steps, within the band where the true one lies; as far as it still rises."""
    right = stretch(points)
    points, longest = [point for point in points if point.after <= right], min(longest, right)
    ceiling = nice(max((point.high for point in points), default=0.0) or 0.1)

    def x(days: float) -> float:
        return LEFT + (WIDTH - LEFT - 12) * min(days, right) / right

    def y(share: float) -> float:
        return HEIGHT - BELOW - (HEIGHT - BELOW - 10) * min(share, ceiling) / ceiling

    parts = [f'<svg class="rising" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">', _told(name, description)]
    for share in ticks(ceiling):
        parts.append(f'<path class="grid" d="M{LEFT} {y(share):.1f}H{WIDTH - 12}"/>')
        label = f"{100 * share:.3g}%"
        parts.append(f'<text x="{LEFT - 8}" y="{y(share) + 4:.1f}" text-anchor="end">{label}</text>')
    for part in range(6):
        parts.append(
            f'<text x="{x(right * part / 6):.1f}" y="{HEIGHT - 12}" text-anchor="middle">{right * part / 6:.3g}</text>'
        )
    parts.append(f'<text x="{WIDTH - 2}" y="{HEIGHT - 12}" text-anchor="end">{right:g} days</text>')
    shown = thinned(points)
    if shown:
        end = x(longest)
        parts.append(f'<path class="band" d="{_steps([(x(p.after), y(p.high)) for p in shown], x(0), y(0), end)}')
        back = [(x(p.after), y(p.low)) for p in shown]
        parts.append(f'{_back(back, x(0), y(0), end)}Z"/>')
        parts.append(f'<path class="line" d="{_steps([(x(p.after), y(p.share)) for p in shown], x(0), y(0), end)}"/>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 (numbers, and words that are escaped)


def _steps(places: Sequence[tuple[float, float]], left: float, floor: float, end: float) -> str:
    return f"M{left:.1f} {floor:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in places) + f"H{end:.1f}"


def _back(places: Sequence[tuple[float, float]], left: float, floor: float, end: float) -> str:
    """The same steps from the right to the left."""
    heights = [floor, *(y for _, y in places)]
    parts = [f"L{end:.1f} {heights[-1]:.1f}"]
    for (x, _), before in zip(reversed(places), reversed(heights[:-1]), strict=True):
        parts.append(f"H{x:.1f}V{before:.1f}")
    return "".join(parts) + f"H{left:.1f}"


def stretch(points: Sequence[Point]) -> float:
    """How many days are worth showing: a round number of them, in which 39 of 40 answers have come."""
    enough = points[-1].share * 0.975 if points else 0.0
    days = next((point.after for point in points if point.share >= enough), 0.0)
    return next((float(most) for most in STRETCHES if most >= 1.2 * days), nice(days))


def thinned(points: Sequence[Point], most: int = 160) -> list[Point]:
    """As many points as can be told apart: the last one of each stretch."""
    if len(points) <= most:
        return list(points)
    longest = points[-1].after or 1.0
    kept: dict[int, Point] = {}
    for point in points:
        kept[int(most * point.after / longest)] = point
    return list(kept.values())


def nice(value: float) -> float:
    """The smallest round number (1, 2 or 5 and zeros) that is no less."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power > value:
        power /= 10
    while power * 10 <= value:
        power *= 10
    return next((step * power for step in TICKS if step * power >= value - 1e-12), 10 * power)


def ticks(most: float) -> list[float]:
    """Four or five even marks up to a round number."""
    step = nice(most / 5)
    return [round(step * number, 10) for number in range(int(most / step + 1e-9) + 1)]


def _told(name: str, description: str) -> str:
    return f"<title>{escape(name)}</title><desc>{escape(description)}</desc>"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
