"""Lines over time, against the usual, as shapes that a template draws in the page's own colours. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

WIDTH, HEIGHT = 720, 180
SMALL_WIDTH, SMALL_HEIGHT = 120, 28
NICE = (1, 2, 5)


@dataclass(frozen=True)
class Drawing:
    """Lines of one chart. ``ticks`` are values with their heights from the top, in shares of 100; ``top`` the highest.

    ``usual`` is the median of what was not nothing, ``slots`` the x and width of each point, in units of the drawing.
    """

    width: int
    height: int
    top: int
    lines: list[str]
    ticks: list[tuple[int, float]]
    usual: int
    usual_y: float
    slots: list[tuple[float, float]]


def drawing(series: Sequence[Sequence[int]], width: int = WIDTH, height: int = HEIGHT) -> Drawing:
    """Series of one length, the first of which says what is usual."""
    top = rounded(max((value for values in series for value in values), default=0))
    worked = [value for value in series[0] if value]
    middle = round(median(worked)) if worked else 0
    count = max(len(series[0]), 1)
    step = width / count
    return Drawing(
        width=width,
        height=height,
        top=top,
        lines=[_line(values, step, top, height) for values in series],
        ticks=[(round(top * share / 2), 100 - share * 50) for share in (2, 1, 0)] if top > 1 else [(1, 0), (0, 100)],
        usual=middle,
        usual_y=_y(middle, top, height),
        slots=[(round(place * step, 2), round(step, 2)) for place in range(count)],
    )


def small(values: Sequence[int]) -> Drawing:
    """A line for a row of a table."""
    return drawing([values], SMALL_WIDTH, SMALL_HEIGHT)


def rounded(value: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50 … that holds a value: what an axis ends with."""
    power = 1
    while True:
        for nice in NICE:
            if nice * power >= value:
                return nice * power
        power *= 10


def _line(values: Sequence[int], step: float, top: int, height: int) -> str:
    points = (f"{place * step + step / 2:.1f},{_y(value, top, height)}" for place, value in enumerate(values))
    return " ".join(points)


def _y(value: int, top: int, height: int) -> float:
    """From the top; a line on the very edge would be cut in half."""
    return round(height - 1 - value / top * (height - 2), 1)
