"""Read ``cxmodel.toml``; every mistake in it comes out in one message."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cxmodel.config.consistency import LATER_SECTIONS, find_mistakes, programme_location
from cxmodel.config.environment import without_password
from cxmodel.config.study import StudyConfig
from cxmodel.errors import ConfigError, nearest

_TYPES = {
    "int_type": "must be a whole number.",
    "int_from_float": "must be a whole number.",
    "float_type": "must be a number.",
    "finite_number": "must be a number, not infinite and not nan.",
    "string_type": "must be text, in quotes.",
    "bool_type": "must be true or false.",
    "dict_type": "must be a table.",
    "list_type": "must be a list.",
    "model_type": "must be a table.",
    "missing": "is missing.",
}
_LIMITS = {
    "greater_than": ("gt", "must be above {}."),
    "greater_than_equal": ("ge", "must be {} or more."),
    "less_than": ("lt", "must be below {}."),
    "less_than_equal": ("le", "must be {} or less."),
}


def load_config(path: str | Path) -> StudyConfig:
    """Read and check the settings of a study.

    Parameters
    ----------
    path : str or Path
        A ``cxmodel.toml``. Relative paths in it are relative to its folder.

    Returns
    -------
    StudyConfig
        The settings with their defaults; ``.base_dir`` is the file's folder, ``.name`` its name.

    Raises
    ------
    ConfigError
        If the file is missing, is no TOML, or any setting is unknown, missing or impossible; the
        message names all of them.

    Examples
    --------
    >>> import tempfile
    >>> text = '''
    ... [sources.surveys]
    ... path = "nps.csv"
    ... ratings.nps = { column = "score", scale = "nps" }
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "acme.toml")
    ...     _ = file.write_text(text)
    ...     config = load_config(file)
    >>> config.name, config.rating, config.windows.outcome_days
    ('acme', 'nps', 180)
    """
    file = Path(path)
    return parse_config(_read(file), base_dir=file.resolve().parent, name=file.stem)


def parse_config(
    raw: Mapping[str, Any], *, base_dir: str | Path = ".", name: str = "study"
) -> StudyConfig:
    """Check settings that are already in memory, as `tomllib` gives them.

    Parameters
    ----------
    raw : mapping
        The tables of ``cxmodel.toml``.
    base_dir : str or Path
        The folder that relative paths are relative to.
    name : str
        How the study is called where it has no title.

    Raises
    ------
    ConfigError
        If any setting is unknown, missing or impossible; the message names all of them.

    Examples
    --------
    >>> parse_config({"sources": {"churn": {"path": "churn.csv"}}, "windows": {"gap_days": -1}})
    Traceback (most recent call last):
        ...
    cxmodel.errors.ConfigError: windows.gap_days = -1: must be 0 or more.
    """
    mistakes = [f"{location}: {text}" for location, text in find_mistakes(raw)]
    known = {key: value for key, value in raw.items() if key not in LATER_SECTIONS}
    config = None
    try:
        config = StudyConfig.model_validate(known)
    except ValidationError as error:
        mistakes = [*_sentences(error, known), *mistakes]
    if config is None or mistakes:
        raise ConfigError(_one_message(mistakes))
    config._base_dir, config._name = Path(base_dir), name
    return config


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except FileNotFoundError as error:
        raise ConfigError(f"{file} does not exist. {_other_files(file)}") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{file} is a folder. Give the cxmodel.toml in it.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not text in UTF-8. Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is no TOML: {error}. {_hint(str(error))}") from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from error


def _other_files(file: Path) -> str:
    names = {each.name for each in file.parent.glob("*.toml")} - {"pyproject.toml"}
    found = sorted(names)[:5]
    if found:
        return f"Found there: {', '.join(found)}."
    return "Write one with: cxmodel init FILE..."


def _hint(message: str) -> str:
    if "overwrite" in message or "twice" in message:
        return "A key or a section stands there twice."
    return 'Check that line: text stands in quotes, as in currency = "USD".'


def _one_message(mistakes: Sequence[str]) -> str:
    unique = list(dict.fromkeys(mistakes))
    if len(unique) == 1:
        return unique[0]
    return "\n  ".join([f"{len(unique)} settings are wrong:", *unique])


def _sentences(error: ValidationError, raw: Mapping[str, Any]) -> Iterator[str]:
    """Write what pydantic found in the words of the file."""
    for found in error.errors():
        if found["type"] == "missing" and found["loc"] == ("sources",):
            continue  # said once, by the rule that at least one source is given
        yield _sentence(found, raw)


def _sentence(found: ErrorDetails, raw: Mapping[str, Any]) -> str:
    location = _location(found["loc"], raw)
    if found["type"] == "extra_forbidden":
        known = _known_keys(StudyConfig, found["loc"][:-1])
        return f"Unknown key {location}. {nearest(str(found['loc'][-1]), known)}"
    value = found["input"]
    is_plain = isinstance(value, str | int | float) and found["type"] != "missing"
    shown = f" = {_toml(value)}" if is_plain else ""
    return f"{location}{shown}: {_words(found)}"


def _words(found: ErrorDetails) -> str:
    context = found.get("ctx", {})
    if found["type"] in _TYPES:
        return _TYPES[found["type"]]
    if found["type"] in _LIMITS:
        key, text = _LIMITS[found["type"]]
        return text.format(context[key])
    if found["type"] == "literal_error":
        return f"must be {context['expected']}."
    if found["type"] == "value_error":
        return str(context["error"])
    return f"{found['msg']}."


def _location(loc: tuple[int | str, ...], raw: Mapping[str, Any]) -> str:
    """Write where a setting stands, as in ``windows.lookback_days``."""
    if loc[0] == "programmes" and len(loc) > 1 and isinstance(loc[1], int):
        listed = raw["programmes"]
        programme = listed[loc[1]] if isinstance(listed[loc[1]], Mapping) else {}
        where = programme_location(programme, loc[1] + 1)
        return ": ".join([where, ".".join(_key(str(p)) for p in loc[2:])]) if loc[2:] else where
    return ".".join(_key(str(part)) for part in loc)


def _key(key: str) -> str:
    is_bare = key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key)
    return key if is_bare else json.dumps(key, ensure_ascii=False)


def _toml(value: str | int | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(without_password(value), ensure_ascii=False)
    return f"{value}"


def _known_keys(model: Any, loc: tuple[int | str, ...]) -> list[str]:
    """List the keys that a table of the file may have."""
    for part in loc:
        model = _inner(model, part)
    return list(model.model_fields) if _is_model(model) else []


def _inner(annotation: Any, part: int | str) -> Any:
    """Follow one step of a location into the models."""
    if _is_model(annotation):
        return _strip(annotation.model_fields[part].annotation)
    return _strip(get_args(annotation)[-1])  # of a list or of the values of a dict


def _strip(annotation: Any) -> Any:
    """Take ``Annotated`` and ``| None`` off an annotation."""
    if get_origin(annotation) is Annotated:
        return _strip(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        inner = [each for each in get_args(annotation) if each is not type(None)]
        return _strip(inner[0])
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
