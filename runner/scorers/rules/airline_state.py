"""State checks of the airline's policy: what tool results showed before a call decides whether it was allowed.

A check flags only what it can show. Where the state is not known (the reservation was never looked at, the
time of the conversation is not told, the customer may have a valid reason) it says nothing.
Changes count when the tool carried them out: the airline's tools do not check the rules themselves.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assay.registry.phrases import normalise
from assay.registry.types.trajectory import ToolCall
from assay.runner.scorers.rules.view import Act, Checked, View, Violation, call_text

__all__ = ["STATE_CHECKS"]

StateCheck = Callable[[View], Checked]

_WRITES_WITH_PAYMENT = ("book_reservation", "update_reservation_flights", "update_reservation_baggages")
_FREE_BAGS = {
    "regular": {"basic_economy": 0, "economy": 1, "business": 2},
    "silver": {"basic_economy": 1, "economy": 2, "business": 3},
    "gold": {"basic_economy": 2, "economy": 3, "business": 3},
}
_MOST = {"certificate": 1, "credit_card": 1, "gift_card": 3}
_INSURED_REASON = re.compile(
    r"\b(?:health|medical|doctor|hospital|surgery|sick\w*|ill|illness|unwell|injur\w+|fever|flu|covid\w*|emergency|weather"
    r"|storm\w*|hurricane|snow\w*|blizzard|feeling (?:bad|poorly)|not feeling)\b"
)
_AIRLINE_CANCELLED = re.compile(
    r"\b(?:airline|you|they|company) (?:have |has |had |just )?cancell?ed\b"
    r"|\bflights? (?:\w+ ){0,4}?(?:was|were|is|got|has been|have been|being) (?:\w+ )?cancell?ed\b"
    r"|\bcancell?ed (?:by (?:the |your )?airline|flights?)\b"
)


@dataclass
class _State:
    """What tool results have shown so far."""

    reservations: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    cabins: dict[str, object] = field(default_factory=dict)
    """Cabins that were changed: the airline's tool does so and goes on showing the old one."""
    seen: str = ""
    """Everything the agent could have read: the customer's words and all results, as text."""

    def learn(self, call: ToolCall) -> None:
        result = call.result
        self.seen += f"\n{result if isinstance(result, str) else json.dumps(result)}"
        if not isinstance(result, dict):
            return
        if "reservation_id" in result:
            name = str(result["reservation_id"])
            if call.name == "update_reservation_flights" and "cabin" in call.arguments:
                self.cabins[name] = call.arguments["cabin"]
            self.reservations[name] = {**result, "cabin": self.cabins.get(name, result.get("cabin"))}
        elif "payment_methods" in result and "user_id" in call.arguments:
            self.users[str(call.arguments["user_id"])] = dict(result)


def _walk(view: View, *tools: str) -> Iterator[tuple[Act, _State]]:
    """Each call of the tools, with the state as it was before the call."""
    state = _State()
    heard = 0
    for act in view.acts():
        while heard < len(view.turns) and view.turns[heard].index <= act.turn:
            state.seen += f"\n{view.turns[heard].customer}"
            heard += 1
        if act.call.name in tools:
            yield act, state
        state.learn(act.call)


def _checked(view: View, tools: tuple[str, ...], broken: Callable[[Act, _State], str | None]) -> Checked:
    exercised = False
    violations: list[Violation] = []
    for act, state in _walk(view, *tools):
        exercised = True
        why = broken(act, state)
        if why is not None:
            violations.append(Violation(why, act.turn, call_text(act.call)))
    return Checked(exercised, tuple(violations))


def _reservation(act: Act, state: _State) -> dict[str, Any] | None:
    return state.reservations.get(str(act.call.arguments.get("reservation_id")))


def _legs(flights: object) -> list[tuple[str, str]] | None:
    """(flight number, date) of each leg, or None where they are not all told."""
    if not isinstance(flights, list) or not flights:
        return None
    legs = [(f.get("flight_number"), f.get("date")) for f in flights if isinstance(f, dict)]
    whole = [(str(number), str(date)) for number, date in legs if number and date]
    return whole if len(whole) == len(flights) else None


def basic_economy_unmodified(view: View) -> Checked:
    """The flights of a basic economy reservation stay as they are; its cabin may change."""

    def broken(act: Act, state: _State) -> str | None:
        held = _reservation(act, state)
        if held is None or act.call.error is not None or held.get("cabin") != "basic_economy":
            return None
        old, new = _legs(held.get("flights")), _legs(act.call.arguments.get("flights"))
        if old is None or new is None or set(old) == set(new):
            return None
        return f"the flights of basic economy reservation {held['reservation_id']} were changed"

    return _checked(view, ("update_reservation_flights",), broken)


def route_unchanged(view: View) -> Checked:
    """Changed flights keep the reservation's origin, destination and trip type."""

    def broken(act: Act, state: _State) -> str | None:
        held, result = _reservation(act, state), act.call.result
        flights = result.get("flights") if isinstance(result, dict) else None
        if held is None or not isinstance(flights, list):
            return None
        stops = [(f.get("origin"), f.get("destination")) for f in flights if isinstance(f, dict)]
        origin, destination, kind = (held.get(key) for key in ("origin", "destination", "flight_type"))
        if not stops or None in (origin, destination) or any(None in stop for stop in stops):
            return None
        round_trip = kind == "round_trip"
        reached = destination in [there for _, there in stops]
        if stops[0][0] == origin and stops[-1][1] == (origin if round_trip else destination) and reached:
            return None
        flown = ", ".join(f"{start}-{end}" for start, end in stops)
        return f"a {str(kind).replace('_', ' ')} reservation {origin}-{destination} now has the flights {flown}"

    return _checked(view, ("update_reservation_flights",), broken)


def cancellation_allowed(view: View) -> Checked:
    """Uninsured economy is cancelled only within 24 hours or after the airline's own cancellation."""
    return _cancellations(view, "no", lambda said: "it is not insured")


def insured_reason(view: View) -> Checked:
    """Insured economy is cancelled after 24 hours only for a reason of health or weather."""
    why = "no reason of health or weather was given"
    return _cancellations(view, "yes", lambda said: None if _INSURED_REASON.search(said) else why)


def _cancellations(view: View, insurance: str, why_not: Callable[[str], str | None]) -> Checked:
    """Cancellations of economy reservations with (`yes`) or without (`no`) insurance after the first 24 hours."""
    now = _now(view)

    def broken(act: Act, state: _State) -> str | None:
        held = _reservation(act, state)
        if held is None or act.call.error is not None or held.get("cabin") not in ("basic_economy", "economy"):
            return None
        created = _time(held.get("created_at"))
        said = normalise(" . ".join(turn.customer for turn in view.turns if turn.index <= act.turn))
        if now is None or created is None or held.get("insurance") != insurance:
            return None
        if now - created <= dt.timedelta(hours=24) or _AIRLINE_CANCELLED.search(said):
            return None
        cabin, why = str(held["cabin"]).replace("_", " "), why_not(said)
        return None if why is None else f"a reservation in {cabin} of {created:%Y-%m-%d} was cancelled; {why}"

    return _checked(view, ("cancel_reservation",), broken)


def not_flown(view: View) -> Checked:
    """A trip with a segment that has been flown is not cancelled."""
    now = _now(view)

    def broken(act: Act, state: _State) -> str | None:
        held = _reservation(act, state)
        legs = _legs(held.get("flights")) if held is not None else None
        if held is None or legs is None or now is None or act.call.error is not None:
            return None
        past = sorted(date for _, date in legs if date < f"{now:%Y-%m-%d}")
        return f"reservation {held['reservation_id']} was cancelled; it has a flight on {past[0]}" if past else None

    return _checked(view, ("cancel_reservation",), broken)


def payment_known(view: View) -> Checked:
    """A payment method comes from a tool result or from the customer; it is not made up."""

    def broken(act: Act, state: _State) -> str | None:
        unknown = [p for p in _payments(act.call) if p not in state.seen and p not in view.trajectory.system]
        return f"the payment method {unknown[0]} stands nowhere in the conversation" if unknown else None

    return _checked(view, _WRITES_WITH_PAYMENT, broken)


def payment_mix(view: View) -> Checked:
    """A booking is paid with at most one certificate, one credit card and three gift cards."""

    def broken(act: Act, state: _State) -> str | None:
        user = state.users.get(str(act.call.arguments.get("user_id")), {})
        methods = user.get("payment_methods")
        known: dict[str, Any] = methods if isinstance(methods, dict) else {}
        kinds = [_source(payment, known.get(payment)) for payment in dict.fromkeys(_payments(act.call))]
        over = next((kind for kind, most in _MOST.items() if kinds.count(kind) > most), None)
        if over is None:
            return None
        what = over.replace("_", " ")
        return f"the booking is paid with {kinds.count(over)} of kind {what}, at most {_MOST[over]} allowed"

    return _checked(view, ("book_reservation",), broken)


def bag_fee(view: View) -> Checked:
    """As many checked bags are charged as exceed the free ones of membership and cabin, and none are removed."""

    def broken(act: Act, state: _State) -> str | None:
        given = act.call.arguments
        held: dict[str, Any] | None = given if act.call.name == "book_reservation" else _reservation(act, state)
        total, charged = given.get("total_baggages"), given.get("nonfree_baggages")
        if held is None or act.call.error is not None or not isinstance(total, int) or not isinstance(charged, int):
            return None
        before = held.get("total_baggages")
        if act.call.name != "book_reservation" and isinstance(before, int) and total < before:
            return f"bags were removed: {before} before, {total} after"
        membership = state.users.get(str(held.get("user_id")), {}).get("membership")
        free = _FREE_BAGS.get(str(membership), {}).get(str(held.get("cabin")))
        passengers = held.get("passengers")
        if free is None or not isinstance(passengers, list):
            return None
        due = max(0, total - free * len(passengers))
        paid_before = 0 if act.call.name == "book_reservation" else held.get("nonfree_baggages")
        if charged == due or (isinstance(paid_before, int) and paid_before > due):
            return None
        return f"{charged} bags are charged; {total} bags and {free} free for each of {len(passengers)} make {due}"

    return _checked(view, ("book_reservation", "update_reservation_baggages"), broken)


def certificate_due(view: View) -> Checked:
    """A certificate is for silver and gold members, the insured, and business passengers."""

    def broken(act: Act, state: _State) -> str | None:
        user_id = str(act.call.arguments.get("user_id"))
        user = state.users.get(user_id)
        mine = [r for r in state.reservations.values() if r.get("user_id") == user_id]
        known = {str(r["reservation_id"]) for r in mine}
        booked = (user or {}).get("reservations")
        if user is None or act.call.error is not None or user.get("membership") != "regular" or not mine:
            return None
        if not isinstance(booked, list) or not known.issuperset(map(str, booked)):
            return None
        if any(r.get("insurance") != "no" or r.get("cabin") == "business" for r in mine):
            return None
        return "a certificate was sent to a regular member who flies economy without insurance"

    return _checked(view, ("send_certificate",), broken)


STATE_CHECKS: dict[str, StateCheck] = {
    check.__name__: check
    for check in (
        basic_economy_unmodified,
        route_unchanged,
        cancellation_allowed,
        insured_reason,
        not_flown,
        payment_known,
        payment_mix,
        bag_fee,
        certificate_due,
    )
}
"""State checks by the name that a rule calls them by."""


def _payments(call: ToolCall) -> list[str]:
    """Ids of the payment methods that a call names."""
    methods = call.arguments.get("payment_methods")
    listed = methods if isinstance(methods, list) else []
    ids = [m.get("payment_id") for m in listed if isinstance(m, dict)] + [call.arguments.get("payment_id")]
    return [str(payment) for payment in ids if payment]


def _source(payment: str, method: object) -> str:
    source = method.get("source") if isinstance(method, dict) else None
    return str(source) if source else payment.rpartition("_")[0]


def _now(view: View) -> dt.datetime | None:
    """The time that the agent was told, or None."""
    told = re.search(r"current time is (\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?)", view.trajectory.system)
    return _time(told.group(1)) if told else None


def _time(text: object) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(str(text)).replace(tzinfo=None)
    except ValueError:
        return None
