"""What a thread draws of an order from a catalogue, and of a form that a customer filled in. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from babel.numbers import UnknownCurrencyError, format_currency, validate_currency

from tallybook.core.marking import N_

from .times import Clock

MOST = 30  # lines of an order or a form that are drawn; the rest is counted
LONGEST = 500  # characters of an answer
# What is more is no price and no quantity; it could not be written out in a currency either.
TOO_MUCH = Decimal(10) ** 9
ORDERED = N_("Order")
FILLED_IN = N_("Form")
OURS = frozenset({"flow_token"})  # what WhatsApp adds to what somebody filled in


@dataclass(frozen=True)
class Line:
    """A product or a question, and how many or what was answered; ``aside`` is a price."""

    name: str
    value: str
    aside: str = ""


@dataclass(frozen=True)
class ListView:
    """An order or a filled-in form: a heading, its lines, how many more there are, and what it comes to."""

    heading: str
    lines: Sequence[Line]
    more: int = 0
    total: str = ""
    look: str = "list"


class Product(msgspec.Struct, frozen=True):
    """A line of an order as WhatsApp tells it; the price is of one."""

    product_retailer_id: str = ""
    quantity: int | float | str = 0
    item_price: int | float | str | None = None
    currency: str = ""


class Order(msgspec.Struct, frozen=True):
    """An order as WhatsApp tells it."""

    product_items: list[Product] = []


class Reply(msgspec.Struct, frozen=True):
    """The answers of a flow: JSON in a string."""

    response_json: str = ""


class Interactive(msgspec.Struct, frozen=True):
    """What came of a form, a button or a list; only a form has more than its words."""

    nfm_reply: Reply | None = None


def order_view(order: Order, clock: Clock) -> ListView:
    """The products with how many of each, their prices, and the sum where all are priced in one currency."""
    lines = [
        Line(one.product_retailer_id, f"{one.quantity} ×", _money(_number(one.item_price), one.currency, clock))
        for one in order.product_items
    ]
    heading = clock.words.gettext(ORDERED)
    return ListView(heading, lines[:MOST], max(0, len(lines) - MOST), _sum(order, clock))


def form_view(interactive: Interactive, clock: Clock) -> ListView | None:
    """What was filled in, by its field's name; None where that is nothing or cannot be read."""
    if interactive.nfm_reply is None:
        return None
    try:
        told = msgspec.json.decode(interactive.nfm_reply.response_json, type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    lines = [Line(name.replace("_", " "), _said(value)) for name, value in told.items() if name not in OURS]
    heading = clock.words.gettext(FILLED_IN)
    return ListView(heading, lines[:MOST], max(0, len(lines) - MOST)) if lines else None


def _sum(order: Order, clock: Clock) -> str:
    """What it comes to; nothing where a price or a quantity is missing, or there are several currencies."""
    whole = Decimal(0)
    for item in order.product_items:
        price, count = _number(item.item_price), _number(item.quantity)
        if price is None or count is None or item.currency != order.product_items[0].currency:
            return ""
        whole += price * count
    return _money(whole, order.product_items[0].currency, clock) if order.product_items else ""


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_said(one) for one in value)[:LONGEST]
    return (value if isinstance(value, str) else msgspec.json.encode(value).decode())[:LONGEST]


def _number(told: float | str | None) -> Decimal | None:
    try:
        number = Decimal(str(told))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < TOO_MUCH else None


def _money(amount: Decimal | None, currency: str, clock: Clock) -> str:
    if amount is None:
        return ""
    try:
        validate_currency(currency)
    except UnknownCurrencyError:
        return f"{amount} {currency}".strip()
    return format_currency(amount, currency, locale=clock.locale)
