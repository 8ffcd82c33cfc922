"""What the agent can do with tools: which facts each task needs, how it is read back and how it is reported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.runner.agents.reference.facts import Slots

__all__ = ["TASKS", "TaskSpec", "missing_slots", "money", "question_for", "spoken_date"]


@dataclass(frozen=True)
class TaskSpec:
    """One task. `slots` are asked for in order; `defaults` are taken where the customer says nothing.

    `read_back` words the details for a confirmation, `report` the tool's result; `done` is the key of the
    result that has to be true for a write to have happened.
    """

    tool: str
    slots: tuple[str, ...]
    report: Callable[[Mapping[str, Any]], str]
    read_back: Callable[[Slots], str] = lambda _: "I would look that up in your records."
    defaults: tuple[tuple[str, str], ...] = ()
    done: str | None = None
    disclosure: str | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of the tool's arguments."""
        return (*self.slots, *(name for name, _ in self.defaults))


_QUESTIONS = {
    "customer_number": "What is your customer number?",
    "card_last4": "What are the last four digits of the card?",
    "new_address": "What is the new address, with street, city and ZIP code?",
    "branch": "Which branch would you like: Harbor Street, Mill Road, Northgate or Old Quay?",
    "date": "On which day would you like the appointment?",
    "time": "At what time would you like it?",
    "reference": "What is the reference of your appointment?",
    "month": "Which month's statement do you need?",
    "amount": "What is the amount in US dollars?",
    "merchant": "Which merchant made the charge?",
}


def question_for(missing: list[str]) -> str:
    """One question, or several in a row, for what is missing."""
    return " ".join(_QUESTIONS[name] for name in missing)


def missing_slots(spec: TaskSpec, slots: Slots) -> list[str]:
    """The facts that are still needed, in the order in which they are asked for."""
    return [name for name in spec.slots if name not in slots]


def money(value: object) -> str:
    """`1250.4` as `$1,250.40`, with the minus sign before the dollar sign."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"-${-value:,.2f}" if value < 0 else f"${value:,.2f}"


def spoken_date(value: object) -> str:
    """`2026-03-04` as `March 4, 2026`; anything else as it is."""
    try:
        date = dt.date.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return f"{date:%B} {date.day}, {date.year}"


def _spoken_month(value: object) -> str:
    try:
        return f"{dt.date.fromisoformat(f'{value}-01'):%B %Y}"
    except ValueError:
        return str(value)


def _spoken_time(value: object) -> str:
    try:
        time = dt.time.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return f"{time.hour % 12 or 12}:{time.minute:02d} {'a.m.' if time.hour < 12 else 'p.m.'} ({time:%H:%M})"


def _parts(result: Mapping[str, Any], *wanted: tuple[str, str, Callable[[Any], str]]) -> str:
    """Sentences for the keys that the result has, in order."""
    return "".join(template.format(show(result[key])) for key, template, show in wanted if result.get(key) is not None)


def _balance(result: Mapping[str, Any]) -> str:
    return (
        f"The balance of your {result.get('account', 'current')} account is {money(result['balance'])}"
        + _parts(result, ("available", ", of which {} is available", money), ("as_of", ", as of {}", spoken_date))
        + "."
    )


def _card_status(result: Mapping[str, Any]) -> str:
    return (
        f"Your card{_parts(result, ('card_last4', ' ending in {}', str))}: its status is {result['status']}."
        + _parts(
            result,
            ("mailed_on", " It was mailed on {}.", spoken_date),
            ("expected_by", " It is expected by {}.", spoken_date),
        )
    )


def _payment(result: Mapping[str, Any]) -> str:
    which = _parts(result, ("reference", " {}", str), ("amount", " of {}", money), ("payee", " to {}", str))
    when = _parts(result, ("expected_on", " The date for it is {}.", spoken_date))
    return f"Your payment{which} is {result['status']}.{when}"


_DECIDED = frozenset({"approved", "declined"})


def _application(result: Mapping[str, Any]) -> str:
    which = _parts(result, ("product", " {}", str)) + " application" + _parts(result, ("reference", " {}", str))
    # Once it is decided, the day by which it had to be is of no use to anybody.
    wanted = () if result["status"] in _DECIDED else (("decision_by", " A decision is expected by {}.", spoken_date),)
    return f"Your{which} is {result['status']}." + _parts(result, *wanted)


def _blocked(result: Mapping[str, Any]) -> str:
    return f"Your card{_parts(result, ('card_last4', ' ending in {}', str))} is now blocked." + _parts(
        result,
        ("reference", " Your reference is {}.", str),
        ("replacement_by", " A new card reaches you by {}.", spoken_date),
    )


def _address(result: Mapping[str, Any]) -> str:
    return "Your address has been changed." + _parts(
        result, ("effective_on", " It takes effect on {}.", spoken_date), ("reference", " Your reference is {}.", str)
    )


def _appointment(verb: str) -> Callable[[Mapping[str, Any]], str]:
    def report(result: Mapping[str, Any]) -> str:
        return (
            f"Your appointment is {verb}"
            + _parts(
                result,
                ("branch", " at {}", str),
                ("date", " on {}", spoken_date),
                ("time", " at {}", _spoken_time),
            )
            + "."
            + _parts(result, ("reference", " Your reference is {}.", str))
        )

    return report


def _statement(result: Mapping[str, Any]) -> str:
    return (
        f"Your statement{_parts(result, ('month', ' for {}', _spoken_month))} has been sent"
        + _parts(result, ("delivery", " to your {}", str))
        + "."
    )


def _dispute(result: Mapping[str, Any]) -> str:
    return "Your dispute has been opened." + _parts(
        result,
        ("reference", " Your reference is {}.", str),
        ("decision_by", " You will have a decision by {}.", spoken_date),
    )


def _refund(result: Mapping[str, Any]) -> str:
    return f"The fee{_parts(result, ('amount', ' of {}', money))} has been refunded." + _parts(
        result, ("credited_on", " It is credited on {}.", spoken_date), ("reference", " Your reference is {}.", str)
    )


def _limit(result: Mapping[str, Any]) -> str:
    return f"The daily limit of your card is now {money(result['limit'])}." + _parts(
        result, ("effective_on", " It takes effect on {}.", spoken_date), ("reference", " Your reference is {}.", str)
    )


def _checks(result: Mapping[str, Any]) -> str:
    return "Your checks are ordered." + _parts(
        result, ("arrives_by", " They arrive by {}.", spoken_date), ("reference", " Your reference is {}.", str)
    )


TASKS: dict[str, TaskSpec] = {
    "balance_inquiry": TaskSpec("get_balance", ("customer_number",), _balance, defaults=(("account", "current"),)),
    "card_delivery_status": TaskSpec("get_card_status", ("customer_number",), _card_status),
    "payment_status": TaskSpec("get_payment_status", ("customer_number",), _payment),
    "application_status": TaskSpec("get_application_status", ("customer_number",), _application),
    "card_block": TaskSpec(
        "block_card",
        ("customer_number", "card_last4"),
        _blocked,
        lambda s: f"I would block your card ending in {s['card_last4']}.",
        done="blocked",
        disclosure="disclosure_card_block",
    ),
    "address_change": TaskSpec(
        "update_address",
        ("customer_number", "new_address"),
        _address,
        lambda s: f"I would change your address to: {s['new_address']}.",
        done="updated",
    ),
    "appointment_booking": TaskSpec(
        "book_appointment",
        ("branch", "date", "time"),
        _appointment("booked"),
        lambda s: (
            f"I would book an appointment at the {s['branch']} branch on {spoken_date(s['date'])} at "
            f"{_spoken_time(s['time'])}."
        ),
        defaults=(("topic", "general banking"),),
        done="booked",
    ),
    "appointment_change": TaskSpec(
        "reschedule_appointment",
        ("reference", "date", "time"),
        _appointment("moved"),
        lambda s: (
            f"I would move your appointment {s['reference']} to {spoken_date(s['date'])} at {_spoken_time(s['time'])}."
        ),
        done="rescheduled",
    ),
    "statement_request": TaskSpec(
        "send_statement",
        ("customer_number", "month"),
        _statement,
        lambda s: f"I would send the statement for {_spoken_month(s['month'])} to your secure mailbox.",
        done="sent",
    ),
    "dispute_intake": TaskSpec(
        "open_dispute",
        ("customer_number", "amount", "merchant"),
        _dispute,
        lambda s: f"I would open a dispute about the charge of {money(s['amount'])} by {s['merchant']}.",
        done="opened",
        disclosure="disclosure_dispute",
    ),
    "fee_refund": TaskSpec(
        "refund_fee",
        ("customer_number", "amount"),
        _refund,
        lambda s: f"I would refund the fee of {money(s['amount'])} to your account.",
        done="refunded",
    ),
    "card_limit_change": TaskSpec(
        "set_card_limit",
        ("customer_number", "amount"),
        _limit,
        lambda s: f"I would set the daily limit of your card to {money(s['amount'])}.",
        done="changed",
    ),
    "check_order": TaskSpec(
        "order_checks",
        ("customer_number",),
        _checks,
        lambda _: "I would order a book of checks for you.",
        done="ordered",
    ),
}
"""The tasks by intent."""
