"""Who carried how much, and will by the rota as it is: counted from the same shifts that everybody is shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from litestar import Response, get

from tallybook.core.errors import Invalid
from tallybook.core.marking import N_
from tallybook.triage.rules_load import ledger

from . import triage_fairness_drawing as drawing
from .needs import Asked, TheApp
from .statistics_drawing import small
from .triage_frame import PATH, Place, is_part, show, stand
from .triage_view import Span

FAIRNESS = PATH + "/fairness"
PERIODS = {
    "90": N_("Last 90 days"), "182": N_("Last half year"), "365": N_("Last year"), "ahead": N_("Coming half year"),
}  # fmt: skip
USUAL = "182"
AHEAD = timedelta(days=182)


@get(FAIRNESS, include_in_schema=False)
async def fairness_page(request: Asked, app: TheApp) -> Response[str]:
    """What everybody carried in a period, in one discipline or in all."""
    place = await stand(request, app)
    period = request.query_params.get("period") or USUAL
    code = request.query_params.get("discipline", "")
    return show(request, place, "fairness_part" if is_part(request) else "fairness", shown(place, period, code))


def shown(place: Place, period: str, code: str) -> dict[str, Any]:
    """What the page says. Raises Invalid for a period or a discipline that there is none of."""
    if period not in PERIODS:
        raise Invalid("“period” is 90, 182, 365 or ahead.")
    if code and code not in {one.code for one in place.all_disciplines}:
        raise Invalid("There is no such discipline.")
    span = span_of(place, period)
    disciplines = [one for one in place.all_disciplines if one.used_in(*span)]
    asked = [code] if code else [one.code for one in disciplines]
    belong = _belong(place, asked, span)
    loads = [one for one in ledger(place.of, *span, asked) if one.days or one.given or one.person in belong]
    bars = drawing.bars(loads)
    months = drawing.by_month(place.of, asked, span)
    return {
        "loads": loads, "bars": bars, "months": {person: small(values) for person, values in months.items()},
        "disciplines": disciplines, "periods": PERIODS, "period": period, "code": code,
        "share": drawing.fair_share(loads),
        "least": min((one.days for one in loads), default=0), "most": max((one.days for one in loads), default=0),
    }  # fmt: skip


def span_of(place: Place, period: str) -> Span:
    """From when until when."""
    now = place.clock.now
    return (now, now + AHEAD) if period == "ahead" else (now - timedelta(days=int(period)), now)


def _belong(place: Place, codes: Sequence[str], span: Span) -> set[str]:
    """Who belonged to any of the disciplines in a part of a period."""
    members = [place.of.rota(code).members for code in codes]
    return {person for one in members for person, spans in one.items() if spans.meet(*span)}


HANDLERS = [fairness_page]
