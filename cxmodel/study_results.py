"""The results of a study: a tree of sections, as it stands in ``results.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cxmodel.errors import SourceError
from cxmodel.results import ESTIMATE_FIELDS, Estimate, NotRun, to_plain

if TYPE_CHECKING:
    from cxmodel.tables.observation_table import Observations
    from cxmodel.value.lift_card import LiftCard

SCHEMA_VERSION = 1
RESULTS_FILE = "results.json"
LEFT_OUT = "left out by --only"
"""The reason of a stage that nobody asked for."""
_FIELDS_OF_ESTIMATE = frozenset(ESTIMATE_FIELDS)
_FIELDS_OF_NOT_RUN = frozenset({"status", "reason"})


class SavesModel(Protocol):
    """A fitted model that can be written for `cxmodel.load_model`."""

    def save(self, path: str | Path) -> Path:
        """Write it."""


class Section(Mapping[str, Any]):
    """A part of the results, read by attribute or by key.

    Examples
    --------
    >>> part = Section({"status": "ok", "rows": [{"kpi": "nps", "estimate": 30.0}]})
    >>> part.rows[0].kpi, part["status"]
    ('nps', 'ok')
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = {name: _grow(value) for name, value in values.items()}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"No {name!r} here. There is: {', '.join(self._values)}.")
        return self._values[name]

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._values)})"


class StudyResults(Section):
    """Everything a study found, stage by stage, with what was not run and why.

    Parameters
    ----------
    values : mapping
        The sections of ``results.json``; leaves may be `Estimate` and `NotRun`.
    observations : Observations, optional
        The observation table, where this process made it.
    lift_card : LiftCard, optional
        The card of its lifts, where this process fitted any.
    models : mapping of str to model, optional
        What this process fitted and `write` saves as ``models/<name>.json``.

    Examples
    --------
    >>> results = StudyResults({"lift": {"status": "not_run", "reason": "no revenue"}})
    >>> results.lift.reason
    'no revenue'
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        *,
        observations: Observations | None = None,
        lift_card: LiftCard | None = None,
        models: Mapping[str, SavesModel] | None = None,
    ) -> None:
        super().__init__(values)
        self._observations = observations
        self._lift_card = lift_card
        self._models = dict(models or {})

    @property
    def observations(self) -> Observations:
        """The observation table.

        Raises
        ------
        SourceError
            If these results were read from a file.
        """
        if self._observations is None:
            raise SourceError(
                "These results hold no observations: they were read from a file, or the study has "
                "no surveys with customers. Run the study, or read observations.parquet."
            )
        return self._observations

    @property
    def lift_card(self) -> LiftCard | None:
        """The lift card; None where no lift was fitted, or the results were read from a file."""
        return self._lift_card

    @property
    def models(self) -> Mapping[str, SavesModel]:
        """The fitted models that `write` saves, by name; none where read from a file."""
        return self._models

    def to_dict(self) -> dict[str, Any]:
        """Give plain dictionaries, lists and numbers, as ``results.json`` holds them."""
        plain = to_plain(self)
        return dict(plain)

    def to_json(self) -> str:
        """Write ``results.json``: the same results give the same bytes."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def write(
        self,
        out_dir: str | Path,
        *,
        report: tuple[str, ...] = (),
        keep_observations: bool = False,
    ) -> list[Path]:
        """Write results, tables, figures and, if asked, the report.

        Everything is made in a temporary folder and moved into place at the end.

        Parameters
        ----------
        out_dir : str or Path
            A new or empty folder, or one that an earlier run wrote.
        report : tuple of {"html", "pdf"}
            Which forms of the board report to render.
        keep_observations : bool
            Also write ``observations.parquet``. It holds customer ids.

        Returns
        -------
        list of Path
            What was written.

        Raises
        ------
        OutputError
            If the folder holds other things, or cannot be written.
        ReportError
            If the report cannot be rendered.
        """
        from cxmodel.study_outputs import write_outputs

        return write_outputs(
            self, Path(out_dir), report=report, keep_observations=keep_observations
        )


def read_results(out_dir: str | Path) -> StudyResults:
    """Read the results that a run left in a folder.

    Parameters
    ----------
    out_dir : str or Path
        The folder that `cxmodel run` or `StudyResults.write` has written.

    Raises
    ------
    SourceError
        If there is no readable ``results.json`` of this schema version.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = '{"schema_version": 1, "study": {"title": "Acme"}}'
    ...     _ = Path(folder, "results.json").write_text(text)
    ...     results = read_results(folder)
    >>> results.study.title
    'Acme'
    """
    path = Path(out_dir)
    path = path if path.name == RESULTS_FILE else path / RESULTS_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(
            f"{path} does not exist. Name a folder that cxmodel run has written."
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}. Run the study again.") from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCHEMA_VERSION:
        raise SourceError(
            f"{path} has schema_version {version!r}; this cxmodel reads {SCHEMA_VERSION}. "
            "Run the study again."
        )
    return StudyResults(values)


def _grow(value: Any) -> Any:
    """Give a part of the tree its type: an estimate, something not run, a section or a list."""
    if isinstance(value, Mapping):
        if frozenset(value) == _FIELDS_OF_ESTIMATE:
            return Estimate.from_dict(value)
        if frozenset(value) == _FIELDS_OF_NOT_RUN and value["status"] == "not_run":
            return NotRun(value["reason"])
        return value if isinstance(value, Section) else Section(value)
    if isinstance(value, (list, tuple)):
        return tuple(_grow(part) for part in value)
    return value
