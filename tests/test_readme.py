"""What the README shows runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.S)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_python_of_the_readme_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own page
    assert "USD per rating point per customer per 180 days" in capsys.readouterr().out


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
