"""Benchmarks and statistics that articles print, with their sources: context, never priors.

Most are averages over firms of one vendor, or goals that somebody set. They say what others claim;
nothing in cxmodel computes with them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A number that somebody printed.

    Parameters
    ----------
    topic : str
        The KPI or subject.
    text : str
        What it says, in words.
    low, high : float, optional
        The number as a range; both ends are equal for a single number, one is None where the range
        is open.
    unit : str
        Of the number.
    source : str
        Who says so; an article that quotes somebody names both.
    year : int, optional
        Of the source, where it is known.
    caution : str
        Why not to lean on it.
    """

    topic: str
    text: str
    low: float | None
    high: float | None
    unit: str
    source: str
    year: int | None = None
    caution: str = ""

    @property
    def citation(self) -> str:
        """Source and year, as a note below a figure has them."""
        return f"{self.source}, {self.year}" if self.year else f"{self.source} (undated)"


MISSIVE = "Missive, four customer satisfaction metrics"
HITACHI = "Hitachi Solutions, 10 ways to measure customer experience"

BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        topic="nps",
        text="above 0 is good",
        low=0,
        high=None,
        unit="NPS, -100 to 100",
        source=MISSIVE,
    ),
    Benchmark(
        topic="nps",
        text="overall average",
        low=32,
        high=32,
        unit="NPS, -100 to 100",
        source=f"Survicate, quoted by {MISSIVE}",
        caution="an average over industries and scales",
    ),
    Benchmark(
        topic="csat",
        text="usual target",
        low=75,
        high=85,
        unit="percent in the top box, 0-100",
        source=HITACHI,
        caution="for a 7-point question without a printed cut-point",
    ),
    Benchmark(
        topic="csat",
        text="software and e-commerce average",
        low=80,
        high=80,
        unit="percent in the top box, 0-100",
        source=MISSIVE,
    ),
    Benchmark(
        topic="csat",
        text="concerning",
        low=None,
        high=50,
        unit="percent in the top box, 0-100",
        source=MISSIVE,
    ),
    Benchmark(
        topic="csat",
        text="attainable",
        low=95,
        high=95,
        unit="percent in the top box, 0-100",
        source=MISSIVE,
    ),
    Benchmark(
        topic="csat",
        text="monthly goal",
        low=85,
        high=None,
        unit="percent in the top box, 0-100",
        source=MISSIVE,
    ),
    Benchmark(
        topic="churn",
        text="below the growth rate, and below this",
        low=None,
        high=7,
        unit="percent of opening customers per year",
        source=MISSIVE,
        caution="a year: 0.60% a month",
    ),
    Benchmark(
        topic="response_rate",
        text="usual for CSAT surveys",
        low=5,
        high=20,
        unit="percent of invitations, 0-100",
        source=MISSIVE,
    ),
    Benchmark(
        topic="first_response_time",
        text="goal: within 60 seconds",
        low=80,
        high=None,
        unit="percent of contacts, 0-100",
        source=MISSIVE,
    ),
    Benchmark(
        topic="deflection",
        text="goal: tickets that self-service takes away",
        low=10,
        high=None,
        unit="percent of tickets",
        source=MISSIVE,
    ),
    Benchmark(
        topic="staff_turnover",
        text="goal",
        low=-10,
        high=-10,
        unit="percent change",
        source=MISSIVE,
    ),
    Benchmark(
        topic="customer_value",
        text="fully connected customers are worth so much more than highly satisfied ones",
        low=52,
        high=52,
        unit="percent more",
        source=f"Harvard Business Review, quoted by {HITACHI}",
        caution="an association",
    ),
    Benchmark(
        topic="revenue",
        text="firms that improved experience and report more revenue",
        low=84,
        high=84,
        unit="percent of firms",
        source=HITACHI,
        caution="self-reported by those who improved",
    ),
    Benchmark(
        topic="spending",
        text="best past experience against the poorest",
        low=140,
        high=140,
        unit="percent more",
        source="Kriss, P., The value of customer experience, quantified, Harvard Business Review",
        year=2014,
        caution="Medallia data of two firms; a later article credits Deloitte",
    ),
    Benchmark(
        topic="priority",
        text="business-to-business firms that call experience a priority",
        low=91,
        high=91,
        unit="percent of firms",
        source="What is customer experience (article)",
        year=2017,
    ),
    Benchmark(
        topic="priority",
        text="retailers that call experience a priority",
        low=54,
        high=54,
        unit="percent of firms",
        source="What is customer experience (article)",
        year=2017,
    ),
    Benchmark(
        topic="priority",
        text="marketers who compete on experience: more than two thirds",
        low=66.7,
        high=None,
        unit="percent of marketers",
        source=HITACHI,
    ),
    Benchmark(
        topic="price",
        text="customers who would pay more for a better experience",
        low=86,
        high=86,
        unit="percent of customers",
        source=MISSIVE,
        caution="what people say, not what they paid",
    ),
    Benchmark(
        topic="switching",
        text="customers who switched after a poor experience",
        low=80,
        high=80,
        unit="percent of customers",
        source=MISSIVE,
    ),
    Benchmark(
        topic="personalisation",
        text="customers who want personalised service",
        low=67,
        high=67,
        unit="percent of customers",
        source=MISSIVE,
    ),
    Benchmark(
        topic="personalisation",
        text="customers who prefer firms with personalised offers",
        low=91,
        high=91,
        unit="percent of customers",
        source=HITACHI,
    ),
    Benchmark(
        topic="time",
        text="customers who say that valuing their time matters most",
        low=77,
        high=77,
        unit="percent of customers",
        source=MISSIVE,
    ),
    Benchmark(
        topic="self_service",
        text="customers on self-service, three figures",
        low=73,
        high=81,
        unit="percent of customers",
        source=HITACHI,
        caution="81, 77 and 73 are printed",
    ),
    Benchmark(
        topic="automation",
        text="interactions handled by artificial intelligence by 2025",
        low=95,
        high=95,
        unit="percent of interactions",
        source=HITACHI,
        caution="a forecast whose date has passed",
    ),
)


def benchmarks_for(topic: str) -> tuple[Benchmark, ...]:
    """List what is printed about a KPI or subject; nothing where nothing is.

    Examples
    --------
    >>> [benchmark.text for benchmark in benchmarks_for("churn")]
    ['below the growth rate, and below this']
    """
    return tuple(benchmark for benchmark in BENCHMARKS if benchmark.topic == topic)
