"""What names of columns and tables tell: the words that people use for what cxmodel needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

Sureness = Literal["sure", "likely", "a guess"]
Rules = tuple[tuple[Sureness, frozenset[str]], ...]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


def words(name: str) -> frozenset[str]:
    """Split a name into its words, in lower case.

    Examples
    --------
    >>> sorted(words("customerID")), sorted(words("first_response_time"))
    (['customer', 'id'], ['first', 'response', 'time'])
    """
    return frozenset(word.lower() for word in _WORD.findall(name))


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


PERSON = _set(
    "customer cust client account acct user member person subscriber household patient guest "
    "shopper buyer donor consumer tenant company"
)
KEY = _set("id key no nr num number code uuid guid")
NOT_A_KEY = _set(
    "zip postal postcode prefix city state country type name email age gender sex segment phone "
    "value count status plan tier satisfaction rating score pk calls contacts called subject "
    "previous lifetime class category group of"
)

RATING = _set(
    "nps csat ces satisfaction sat rating recommend recommendation stars effort ease easy dsat "
    "likelihood nsat osat"
)
SCORE = _set("score review feedback survey rate")
ANSWER = _set("likely answer answers question grade")
QUESTION = re.compile(r"q(uestion)?[ _]?\d+[a-z]?", re.IGNORECASE)
NO_ANSWER = _set(
    "quantity qty number items item pieces units age month months day days hour hours minutes "
    "year years tenure installments sequential priority level size children dependents orders "
    "visits tickets contacts amount price cost discount tax total value points weight length"
)
NOT_A_RATING = _set("churn credit risk lead health fraud count id call calls time date product")
NPS_WORDS = _set("nps recommend recommendation likelihood")
EFFORT_WORDS = _set("ces effort ease easy")
OVERALL_WORDS = NPS_WORDS | _set("satisfaction csat sat overall osat nsat")

CHURN = _set("churn churned attrition exited cancelled canceled terminated lapsed")
CHURN_DATE = CHURN | _set("cancellation cancel termination left unsubscribed")
AMOUNT = _set(
    "amount revenue sales payment paid spend turnover usd eur gbp dollar dollars price total "
    "value charge mrr fee betrag umsatz"
)
NOT_AN_AMOUNT = _set(
    "id count score rating tax discount refund cost freight shipping weight lifetime ltv clv cltv "
    "sequential installments quantity qty number points days hours minutes seconds age"
)
TOTAL_TO_DATE = _set("total lifetime cltv clv ltv cumulative")
PLACES = _set("zip postal postcode lat latitude lng longitude id")
PERSONAL = _set("city name email phone address comment url street")
NOT_AN_ATTRIBUTE = PLACES | PERSONAL | CHURN | TOTAL_TO_DATE

RESPONDED: Rules = (
    ("sure", _set("answered answer responded respondent completed surveyed rated")),
    ("likely", _set("survey review feedback response")),
    ("a guess", _set("closed resolved resolution")),
    ("a guess", _set("date timestamp time at created submitted")),
)
INVITED: Rules = (
    ("sure", _set("invited invitation invite")),
    ("likely", _set("sent asked mailed")),
)
SIGNED_UP: Rules = (
    ("sure", _set("signup signed joined registered registration onboarded")),
    ("likely", _set("start started since created begin acquired acquisition sign")),
)
CHURNED: Rules = (("sure", CHURN_DATE), ("a guess", _set("end ended closed")))
VALID_FROM: Rules = (("sure", _set("valid")), ("likely", _set("effective")))
BOOKED: Rules = (
    ("sure", _set("booked paid payment order ordered purchase purchased invoice transaction")),
    ("likely", _set("booking billing billed date sold sale")),
    ("a guess", _set("created timestamp time at day")),
)
SUBSCRIPTION_START: Rules = (("sure", _set("start started begin from since")),)
SUBSCRIPTION_END: Rules = (
    ("sure", _set("end ended until expiry expires ends")),
    ("likely", _set("cancelled canceled churned churn")),
)
CONTACT_START: Rules = (
    ("sure", _set("submitted opened received contacted reported")),
    ("likely", _set("created start started call purchase ordered order")),
    ("a guess", _set("date timestamp time")),
)
RESOLVED: Rules = (
    ("sure", _set("resolved closed solved")),
    ("likely", _set("delivered resolution completed finished")),
)
RESOLVE_BY: Rules = (
    ("sure", _set("promised due deadline")),
    ("likely", _set("estimated expected target sla")),
)
AMOUNT_RULES: Rules = (
    ("sure", _set("amount revenue sales payment paid turnover umsatz betrag")),
    ("likely", _set("total value spend usd eur gbp dollar dollars charge")),
    ("a guess", AMOUNT),
)
MONTHLY_AMOUNT: Rules = (
    ("sure", _set("mrr")),
    ("likely", _set("monthly month")),
    ("a guess", AMOUNT),
)
STAGE: Rules = (
    ("likely", _set("stage kind category type topic")),
    ("a guess", _set("reason priority channel")),
)
TOUCHPOINT: Rules = (
    ("sure", _set("touchpoint")),
    ("likely", _set("channel medium")),
)
AGENT: Rules = (("sure", _set("agent advisor representative operator")),)
COMMENT: Rules = (("likely", _set("comment comments verbatim remark")),)

TICKET_WORDS = _set(
    "ticket tickets case cases contact contacts call calls complaint complaints support "
    "interaction interactions delivery deliveries visit visits"
)
LEDGER_WORDS = _set(
    "payment payments transaction transactions order orders revenue sales booking bookings "
    "invoice invoices ledger purchases retail billing"
)
INVITATION_WORDS = _set("invitation invitations invited asked sends mailing")
SURVEY_WORDS = _set("survey surveys response responses nps csat review reviews feedback rating")
CUSTOMER_WORDS = _set("customer customers account accounts client clients members users crm")
SUBSCRIPTION_WORDS = _set("subscription subscriptions contract contracts plans")

_GOOD = _set("satisfied happy good excellent great easy promoter agree yes positive high pleased")
_BAD = _set(
    "dissatisfied unsatisfied unhappy bad poor terrible hard difficult detractor disagree no "
    "negative low"
)
_MILD = _set("neutral somewhat fair ok okay average slightly passive or neither mixed")
_STRONG = _set("very extremely completely strongly totally")


def polarity(level: str) -> float | None:
    """Say how good a worded answer sounds, or None where no word tells.

    Examples
    --------
    >>> polarity("satisfied"), polarity("neutral or dissatisfied"), polarity("very satisfied")
    (1.0, -0.5, 2.0)
    >>> polarity("maybe") is None
    True
    """
    found = words(level)
    sign = -1 if found & _BAD or {"not"} & found else 1 if found & _GOOD else 0
    if sign == 0:
        return 0.0 if found & _MILD else None
    return sign * (2.0 if found & _STRONG else 0.5 if found & _MILD else 1.0)


def in_order(levels: Sequence[str]) -> tuple[str, ...] | None:
    """Put worded answers in order, worst first; None where their words do not tell.

    Examples
    --------
    >>> in_order(["satisfied", "neutral or dissatisfied"])
    ('neutral or dissatisfied', 'satisfied')
    """
    scored = [(polarity(level), level) for level in levels]
    known = [(score, level) for score, level in scored if score is not None]
    if len(known) < len(levels) or len({score for score, _ in known}) < len(levels):
        return None
    return tuple(level for _, level in sorted(known))


def first_match(names: Iterable[str], rules: Rules) -> tuple[str, Sureness] | None:
    """Find the first name that the strictest rule fits."""
    listed = list(names)
    for sureness, wanted in rules:
        for name in listed:
            if words(name) & wanted:
                return name, sureness
    return None
