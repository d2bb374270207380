"""What the README shows runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cxmodel.config import parse_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.S)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_python_of_the_readme_runs(
    block: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own page
    assert re.search(r"USD (?:margin )?per ", capsys.readouterr().out)


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", README, flags=re.S))
def test_the_settings_of_the_readme_are_read(block: str) -> None:
    surveys = {
        "path": "surveys.csv",
        "agent": "agent",
        "ratings": {"nps": {"column": "nps", "scale": "nps"}},
    }
    config = parse_config({**tomllib.loads(block), "sources": {"surveys": surveys}})
    assert set(tomllib.loads(block)) <= config.model_fields_set


def test_every_command_of_the_readme_exists() -> None:
    from cxmodel.cli import main

    shown = set(re.findall(r"^\$ cxmodel (\w+)", README, flags=re.M))
    assert shown <= set(main.commands if hasattr(main, "commands") else _command_names())


def _command_names() -> set[str]:
    from cxmodel import cli

    return set(cli.cli.commands)


def test_every_file_the_readme_links_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
