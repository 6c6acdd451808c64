"""The trend as a picture, for who reads it elsewhere: the page's own lines and colours, on white."""

from __future__ import annotations

import io
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from tallybook.core.later import later

from .statistics import Point

if TYPE_CHECKING:
    from matplotlib import figure, ticker
else:
    figure, ticker = later("matplotlib.figure"), later("matplotlib.ticker")

SIZE = (9.0, 3.2)  # inches
DOTS = 150  # for an inch
INK, QUIET, RULE, ACCENT, OK = "#1b1a18", "#67635b", "#e8e5df", "#2b50c8", "#17734a"
MOST_LABELS = 8


class Caption(msgspec.Struct, frozen=True):
    """The words of the picture."""

    title: str
    posted: str
    complete: str
    usual: str


def picture(points: Sequence[Point], caption: Caption, days: Sequence[str]) -> bytes:
    """The points as PNG; ``days`` are their names. Some hundred milliseconds of work: not for an event loop."""
    drawn = figure.Figure(figsize=SIZE, dpi=DOTS, layout="constrained", facecolor="white")
    axes = drawn.add_subplot()
    places = range(len(points))
    drops = [one.drops for one in points]
    axes.plot(places, [one.complete for one in points], color=OK, linewidth=1.2, label=caption.complete)
    axes.plot(places, drops, color=ACCENT, linewidth=1.8, label=caption.posted)
    if worked := [value for value in drops if value]:
        usual = round(median(worked))
        axes.axhline(usual, color=QUIET, linewidth=0.8, linestyle=(0, (3, 3)), label=f"{caption.usual} {usual}")
    every = max(1, -(-len(points) // MOST_LABELS))
    axes.set_xticks(list(places)[::every], list(days)[::every])
    axes.set_ylim(bottom=0, top=max(drops, default=0) * 1.1 or 1)
    axes.yaxis.set_major_locator(ticker.MaxNLocator(4, integer=True))
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=QUIET, labelsize=8, length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(caption.title, loc="left", fontsize=11, color=INK)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=8, labelcolor=INK)
    target = io.BytesIO()
    drawn.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()
