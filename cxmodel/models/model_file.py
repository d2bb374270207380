"""A fitted model on disk: one JSON file that holds numbers and words, and no code.

JSON alone, for trees too. Tried with 100 trees of 15 leaves on 12 columns: node arrays in JSON
(107 kB, read in 22 ms) give scikit-learn's probabilities back to the last bit, and in a fourth of
its time. skops 0.16 is exact too, but takes 666 kB and builds scikit-learn's own private classes
again: such a file holds for one version of scikit-learn, and its reader has to vouch for two of
those classes. For ONNX, skl2onnx 1.20 (onnx 1.23) does not convert these trees, and rounds their
base value to 32 bits; the runtime adds 78 MB. A compressed archive could swell when it is read;
plain text cannot.

The digest finds damage and careless edits. It is no signature: whoever can write the file can
write the digest too. Take model files from where you would take programs.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cxmodel.errors import OutputError, SourceError, nearest
from cxmodel.plain_json import (
    FileWords,
    compact_json,
    digest_of,
    is_number,
    read_json_table,
    said,
)

FORMAT = "cxmodel model"
MODEL_VERSION = 2
# The largest that we write, boosted trees, take half a megabyte.
MOST_BYTES = 20_000_000
HOLDS_FOR = dt.timedelta(days=365)
AGAIN = "Take the file as cxmodel wrote it, or fit and save the model again."
_WORDS = FileWords(
    what="model",
    whence="Name a file that .save(path) or cxmodel run has written.",
    again=AGAIN,
)
_KEYS = (
    "format",
    "schema_version",
    "kind",
    "cxmodel_version",
    "created_at",
    "expires_at",
    "content",
    "digest",
)


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """What stands in a model file.

    Parameters
    ----------
    kind : str
        What was fitted: ``"churn"``, ``"retention"``, ``"retention_covariates"``, ``"hazard"``,
        ``"purchases"``, ``"spend"``, ``"cltv"``.
    cxmodel_version : str
        Who wrote it.
    created_at, expires_at : date, optional
        The day to which the data behind it were complete, and the day after which the model is too
        old to be used without a second look; None where the data have no such day.
    content : mapping
        The parameters, as the kind lays them out.
    digest : str
        The SHA-256 of everything else.
    """

    kind: str
    cxmodel_version: str
    created_at: dt.date | None
    expires_at: dt.date | None
    content: Mapping[str, Any]
    digest: str

    @property
    def version(self) -> str:
        """A short name of this very model: the first twelve figures of the digest."""
        return self.digest.removeprefix("sha256:")[:12]

    def is_expired(self, at: dt.date | None = None) -> bool:
        """Say whether it is too old on a day, today by default; without a day, never."""
        return self.expires_at is not None and (at or dt.date.today()) > self.expires_at


class StoredModel:
    """What every model that was read from a file has: its file, and what that says of its age."""

    file: ModelFile

    @property
    def version(self) -> str:
        """The short name of this very model."""
        return self.file.version

    @property
    def expires_at(self) -> dt.date | None:
        """The day after which it is too old to be used without a second look."""
        return self.file.expires_at

    def is_expired(self, at: dt.date | None = None) -> bool:
        """Say whether it is too old on a day, today by default; without a day, never."""
        return self.file.is_expired(at)

    def save(self, path: str | Path) -> Path:
        """Write the same file again."""
        return write_model_file(self.file, path)


def make_model_file(
    kind: str, content: Mapping[str, Any], *, created_at: dt.date | None
) -> ModelFile:
    """Seal the content of a model with its digest; it holds for a year from `created_at`.

    Examples
    --------
    >>> one = make_model_file("retention", {"alpha": 0.668}, created_at=dt.date(2026, 6, 30))
    >>> one.expires_at, len(one.version)
    (datetime.date(2027, 6, 30), 12)
    """
    from cxmodel import __version__

    made = ModelFile(
        kind=kind,
        cxmodel_version=__version__,
        created_at=created_at,
        expires_at=None if created_at is None else created_at + HOLDS_FOR,
        content=content,
        digest="",
    )
    return ModelFile(**{**vars(made), "digest": digest_of(plain_model(made), without="digest")})


def to_json(model: ModelFile) -> str:
    """Write a model file: the same model gives the same bytes, one key a line."""
    lines = [
        f"{json.dumps(key)}:{compact_json(value)}" for key, value in plain_model(model).items()
    ]
    return "{" + ",\n".join(lines) + "}\n"


def write_model_file(model: ModelFile, path: str | Path) -> Path:
    """Write a model file aside and move it into place.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        aside = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(to_json(model).encode("utf-8", "surrogatepass"))
            mask = os.umask(0)
            os.umask(mask)
            aside.chmod(0o666 & ~mask)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}. Free space, or name another "
            "file."
        ) from error
    return path


def read_model_file(path: str | Path) -> ModelFile:
    """Read a model file, and check that it is whole and unchanged.

    Raises
    ------
    SourceError
        If it is missing, too large, no model, of another version, or was changed.
    """
    path = Path(path)
    return model_of_plain(read_json_table(path, _WORDS, most_bytes=MOST_BYTES), str(path))


def model_of_plain(found: Mapping[str, Any], path: str) -> ModelFile:
    """Take a model out of the table that its file holds, and check that it is unchanged.

    Raises
    ------
    SourceError
        If it is no model, of another version, or was changed.
    """
    if found.get("format") != FORMAT:
        raise SourceError(
            f"{path} is no model of cxmodel: {_other_format(found)}. "
            "Name a file that .save(path) or cxmodel run has written (models/churn.json)."
        )
    version = found.get("schema_version")
    if type(version) is not int or version != MODEL_VERSION:
        raise SourceError(
            f"{path} has schema_version {said(version)}; this cxmodel reads {MODEL_VERSION}. "
            "Fit and save the model again with this version, or read it with the one that wrote it."
        )
    wrong = [key for key in _KEYS if key not in found] + [key for key in found if key not in _KEYS]
    if wrong:
        raise SourceError(
            f"{path} must hold {', '.join(_KEYS)} and nothing else; {said(wrong[0])} is missing "
            f"or unknown. {AGAIN}"
        )
    try:
        digest = digest_of(found, without="digest")
    except ValueError as error:
        raise SourceError(f"{path} cannot be read as a model: {error}. {AGAIN}") from error
    if found["digest"] != digest:
        raise SourceError(
            f"{path} was changed after it was written: its digest does not fit its content. {AGAIN}"
        )
    fields = Fields(found, path)
    return ModelFile(
        kind=fields.text("kind"),
        cxmodel_version=fields.text("cxmodel_version"),
        created_at=fields.day("created_at"),
        expires_at=fields.day("expires_at"),
        content=fields.part("content").values,
        digest=digest,
    )


def plain_model(model: ModelFile) -> dict[str, Any]:
    """Give the table that a model's file holds."""
    return {
        "format": FORMAT,
        "schema_version": MODEL_VERSION,
        "kind": model.kind,
        "cxmodel_version": model.cxmodel_version,
        "created_at": None if model.created_at is None else model.created_at.isoformat(),
        "expires_at": None if model.expires_at is None else model.expires_at.isoformat(),
        "content": model.content,
        "digest": model.digest,
    }


def _other_format(found: Mapping[str, Any]) -> str:
    if "format" not in found:
        return "it does not name its format"
    return f"its format is {said(found['format'])}"


class Fields:
    """A part of a model file, read field by field; what is wrong is named with its place.

    Parameters
    ----------
    values : mapping
        The part.
    where : str
        The file, and the place of the part in it.

    Raises
    ------
    SourceError
        Where a field is missing, unknown or not what it must be.

    Examples
    --------
    >>> Fields({"alpha": 0.5}, "model.json").number("alpha")
    0.5
    """

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, Mapping):
            raise SourceError(f"{where} must be a table, not {said(values)}. {AGAIN}")
        self.values = values
        self.where = where

    def only(self, *names: str) -> None:
        """Refuse fields of other names."""
        for name in self.values:
            if name not in names:
                raise SourceError(
                    f"{self.where} holds {said(name)}, which is unknown. {nearest(name, names)} "
                    f"{AGAIN}"
                )

    def but(self, *names: str) -> Fields:
        """Give the part without some fields, which are read elsewhere."""
        rest = {name: value for name, value in self.values.items() if name not in names}
        return Fields(rest, self.where)

    def refuse(self, name: str, what: str) -> NoReturn:
        """Say what a field must be, and what it is."""
        seen = said(self.values.get(name))
        raise SourceError(f"{self.where}: {name} must be {what}, not {seen}. {AGAIN}")

    def get(self, name: str) -> Any:
        """Give a field as it is."""
        if name not in self.values:
            raise SourceError(f"{self.where} lacks {name}. {AGAIN}")
        return self.values[name]

    def text(self, name: str) -> str:
        """Give a field that must be text."""
        value = self.get(name)
        if not isinstance(value, str):
            self.refuse(name, "text")
        return value

    def text_or_none(self, name: str) -> str | None:
        """Give a field that may be null, else text."""
        return None if self.get(name) is None else self.text(name)

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """Give a field that must be one of some words."""
        value = self.text(name)
        if value not in known:
            self.refuse(name, f"one of {', '.join(known)}")
        return value

    def number(self, name: str) -> float:
        """Give a field that must be a finite number."""
        value = self.get(name)
        if not is_number(value):
            self.refuse(name, "a finite number")
        return float(value)

    def whole(self, name: str) -> int:
        """Give a field that must be a count."""
        value = self.get(name)
        if not is_number(value) or not isinstance(value, int) or value < 0:
            self.refuse(name, "a whole number, 0 or more")
        return int(value)

    def flag(self, name: str) -> bool:
        """Give a field that must be true or false."""
        value = self.get(name)
        if not isinstance(value, bool):
            self.refuse(name, "true or false")
        return value

    def numbers(self, name: str, n: int | None = None) -> list[float]:
        """Give a field that must be a list of finite numbers, of a length where one is stated."""
        value = self.get(name)
        is_right = isinstance(value, list) and (n is None or len(value) == n)
        if not is_right or not all(map(is_number, value)):
            self.refuse(name, f"a list of {'' if n is None else f'{n:,} '}finite numbers")
        return [float(each) for each in value]

    def wholes(self, name: str, n: int | None = None) -> list[int]:
        """Give a field that must be a list of whole numbers."""
        value = self.get(name)
        is_right = isinstance(value, list) and (n is None or len(value) == n)
        if not is_right or not all(type(each) is int and abs(each) < 2**53 for each in value):
            self.refuse(name, f"a list of {'' if n is None else f'{n:,} '}whole numbers")
        return list(value)

    def texts(self, name: str) -> list[str]:
        """Give a field that must be a list of texts, each once."""
        value = self.get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.refuse(name, "a list of texts")
        if len(set(value)) < len(value):
            self.refuse(name, "a list of texts, each once")
        return list(value)

    def day(self, name: str) -> dt.date | None:
        """Give a field that must be a day, or null."""
        value = self.get(name)
        if value is None:
            return None
        try:
            return dt.date.fromisoformat(value)
        except (TypeError, ValueError):
            self.refuse(name, "a day such as 2026-06-30")

    def part(self, name: str) -> Fields:
        """Give a field that must be a table."""
        return Fields(self.get(name), f"{self.where}: {name}")

    def parts(self, name: str, most: int) -> list[Fields]:
        """Give a field that must be a list of tables, not too many."""
        value = self.get(name)
        if not isinstance(value, list) or len(value) > most:
            self.refuse(name, f"a list of at most {most:,} tables")
        return [Fields(each, f"{self.where}: {name}[{i}]") for i, each in enumerate(value)]
