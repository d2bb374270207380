"""From Arrow batches to the matrix of a model, as `Features.matrix` makes it of a frame.

Words are looked up once a distinct word, so a batch of a million rows costs no loop over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxmodel.errors import SchemaError, nearest
from cxmodel.models.churn.features import Feature
from cxmodel.models.engine_columns import wrong_kind
from cxmodel.models.leaks import MISSING, TOO_LARGE
from cxmodel.models.off_scale import is_outside
from cxmodel.models.profile import NumberProfile, WordProfile
from cxmodel.plain_json import said

if TYPE_CHECKING:
    import pyarrow as pa

    from cxmodel.models.churn.stored import StoredChurnModel

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A batch as a model sees it.

    Parameters
    ----------
    matrix : numpy.ndarray, shape (n, terms)
    unseen, filled : dict of numpy.ndarray of bool, shape (n,)
        Columns where some row had a level that the model did not learn about, or a missing value
        for which something stands; and which rows.
    counts : dict of numpy.ndarray
        Rows in each class of the column's profile.
    off_scale : dict of int
        Rows with a rating outside its scale, by column; it counts as missing.
    """

    matrix: Floats
    unseen: dict[str, Bools]
    filled: dict[str, Bools]
    counts: dict[str, Ints]
    off_scale: dict[str, int]

    def any_of(self, flags: dict[str, Bools]) -> Bools:
        """Say which rows are flagged in any column."""
        found = np.zeros(len(self.matrix), dtype=bool)
        for flag in flags.values():
            found |= flag
        return found


def encode(model: StoredChurnModel, batch: pa.RecordBatch) -> Encoded:
    """Turn a batch into numbers.

    Parameters
    ----------
    model : StoredChurnModel
    batch : pyarrow.RecordBatch
        With the columns of the model.

    Raises
    ------
    SchemaError
        If a column is missing, or holds words where it held numbers, or the other way round.

    Examples
    --------
    >>> import cxmodel as cx, pyarrow as pa
    >>> from cxmodel.models.churn.stored import store_churn
    >>> from cxmodel.models.example import small_observations
    >>> obs = small_observations()
    >>> stored = store_churn(cx.ChurnModel().fit(obs))
    >>> batch = pa.RecordBatch.from_pandas(obs.to_frame()[list(stored.columns)])
    >>> bool((encode(stored, batch).matrix == stored.features.matrix(obs.frame)).all())
    True
    """
    check_columns(model, batch.schema)
    public = {name: given for given, name in model.public_names(batch.schema.names).items()}
    found = Encoded(np.zeros((batch.num_rows, len(model.features.terms))), {}, {}, {}, {})
    place = 0
    for part in model.features.parts:
        column = batch.column(public.get(part.name, part.name))
        columns = found.matrix[:, place : place + len(part.terms)]
        place += len(part.terms)
        seen = model.profile.columns[part.name]
        if isinstance(seen, NumberProfile):
            _fill_numbers(found, columns, part, numbers_of(column, part.name), seen)
        else:
            _fill_words(found, columns, part, column, seen)
    return found


def check_columns(model: StoredChurnModel, schema: pa.Schema) -> None:
    """Refuse a table without the columns of a model, or with other kinds of values in them.

    Raises
    ------
    SchemaError
        Naming every column that is missing, or the first of the wrong kind.
    """
    import pyarrow.types as kinds

    public = {name: given for given, name in model.public_names(schema.names).items()}
    wanted = {name: public.get(name, name) for name in model.columns}
    missing = [name for name in wanted.values() if name not in schema.names]
    if missing:
        raise SchemaError(
            f"The model was fitted with {', '.join(map(said, missing))}, which the input does not "
            f"have. {nearest(missing[0], schema.names)}"
        )
    for part in model.features.parts:
        given = schema.field(wanted[part.name]).type
        given = given.value_type if kinds.is_dictionary(given) else given
        is_text = _is_text(given)
        if part.is_number and not (is_text or _is_number(given) or kinds.is_null(given)):
            raise wrong_kind(part.name, "numbers", str(given))
        is_word = is_text or kinds.is_boolean(given) or kinds.is_null(given)
        if not part.is_number and not is_word:
            raise wrong_kind(part.name, "words", str(given))


def _is_text(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def _is_number(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(
        kinds.is_integer(kind)
        or kinds.is_floating(kind)
        or kinds.is_decimal(kind)
        or kinds.is_boolean(kind)
    )


# -- Numbers -------------------------------------------------------------------------------------


def numbers_of(column: pa.Array, name: str) -> Floats:
    """Read a column as numbers; what is missing, infinite or beyond 1e100 is NaN.

    Raises
    ------
    SchemaError
        If it holds words, with the first row that does.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kinds.is_null(column.type):
        return np.full(len(column), np.nan)
    if _is_text(column.type):
        column = _read_text(column.cast(pa.string()), name)
    elif kinds.is_boolean(column.type):
        column = column.cast(pa.int8())
    values = np.array(pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    values[~(np.abs(values) < TOO_LARGE)] = np.nan
    return values


def _read_text(column: pa.Array, name: str) -> pa.Array:
    """Read text as numbers; a blank is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    try:
        numbers = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        each = enumerate(text.to_pylist())
        numbers = pa.array([_number(value, name, row) for row, value in each], pa.float64())
    # not a number, written out, is a word: `as_numbers` takes it for one too
    words = pc.fill_null(pc.is_nan(numbers), False).to_numpy(zero_copy_only=False)
    if words.any():
        row = int(np.flatnonzero(words)[0])
        raise _no_number(text[row].as_py(), name, row)
    return numbers


def _number(text: str | None, name: str, row: int) -> float | None:
    """Read one text as a number; true and false are 1 and 0, as in a column of flags."""
    if text is None:
        return None
    if text.lower() in ("true", "false"):
        return float(text.lower() == "true")
    try:
        if "_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        raise _no_number(text, name, row) from None


def _no_number(text: str, name: str, row: int) -> SchemaError:
    return SchemaError(
        f"Column {name!r} held numbers at the fit, and {said(text)} is none. Correct it, or leave "
        "it blank where it is not known.",
        row=row,
    )


def _fill_numbers(
    found: Encoded, columns: Floats, part: Feature, values: Floats, seen: NumberProfile
) -> None:
    if part.limits.is_scale and (n_off := int(is_outside(values, part.limits.scale).sum())):
        found.off_scale[part.name] = n_off
    values = part.limits.read(values)
    missing = np.isnan(values)
    columns[:, 0] = values
    if missing.any():
        columns[missing, 0] = part.fill
        found.filled[part.name] = missing
        if part.has_missing:
            columns[:, 1] = missing
    found.counts[part.name] = seen.count(values)


# -- Words ---------------------------------------------------------------------------------------


def _fill_words(
    found: Encoded, columns: Floats, part: Feature, column: pa.Array, seen: WordProfile
) -> None:
    codes, words = _words(column)
    rows = np.flatnonzero
    place = {level: i for i, level in enumerate(part.levels)}
    term = np.array([place.get(word, -1) for word in words], dtype=np.int64)[codes]
    hit = rows(term >= 0)
    columns[hit, term[hit]] = 1.0
    known = {*seen.known, *part.levels}
    is_gap = np.array([word == MISSING and word not in known for word in words])[codes]
    is_new = np.array([word != MISSING and word not in known for word in words])[codes]
    if is_gap.any():
        found.filled[part.name] = is_gap
    if is_new.any():
        found.unseen[part.name] = is_new
    where = {level: i for i, level in enumerate(seen.levels)}
    classes = np.array([where.get(word, len(seen.levels)) for word in words], dtype=np.int64)
    found.counts[part.name] = np.bincount(classes[codes], minlength=len(seen.counts))


def _words(column: pa.Array) -> tuple[Ints, list[str]]:
    """Give a code to each row and the stripped word of each code; the last one is missing."""
    import pyarrow as pa
    import pyarrow.types as kinds

    if kinds.is_null(column.type) or kinds.is_boolean(column.type):
        # flags are the words true and false, as in a study
        column = column.cast(pa.string())
    if not kinds.is_dictionary(column.type):
        column = column.dictionary_encode()
    words = [MISSING if w is None else str(w).strip() or MISSING for w in _levels(column)]
    codes = column.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    return codes.astype(np.int64), [*words, MISSING]


def _levels(column: pa.DictionaryArray) -> list[Any]:
    found: list[Any] = column.dictionary.to_pylist()
    return found
