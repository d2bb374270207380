"""Run a report notebook in a kernel of its own and take the blocks that it shows."""

from __future__ import annotations

import ast
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from cxmodel.errors import ReportError, nearest
from cxmodel.report.blocks import MIME
from cxmodel.report.kernel import run_to_end

KERNEL = "cxmodel-report"
PARAMETERS_TAG = "parameters"
TIMEOUT_S = 600


def load_notebook(notebook: str | Path | None = None) -> Any:
    """Read a report notebook: one of ours by name, or a file (percent text or ipynb).

    Parameters
    ----------
    notebook : str or Path, optional
        ``"board_report"`` by default.

    Returns
    -------
    nbformat.NotebookNode
        With cell ids that do not change from run to run.

    Raises
    ------
    ReportError
        If there is no such notebook, or it cannot be read.
    """
    import jupytext

    source = _find(notebook or "board_report")
    form = "ipynb" if source.name.endswith(".ipynb") else "py:percent"
    try:
        book = jupytext.reads(source.read_text(encoding="utf-8"), fmt=form)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ReportError(f"The notebook {source.name} cannot be read: {error}") from error
    return _normalised(book)


def _find(notebook: str | Path) -> Any:
    """Find a notebook by name among ours, else as a file."""
    folder = resources.files("cxmodel.report").joinpath("notebooks")
    known = sorted(entry.name.removesuffix(".py") for entry in folder.iterdir() if _is_ours(entry))
    if str(notebook) in known:
        return folder.joinpath(f"{notebook}.py")
    path = Path(notebook)
    if path.is_file():
        return path
    raise ReportError(
        f"There is no report notebook {str(notebook)!r}, neither ours nor a file. "
        f"{nearest(str(notebook), known)}"
    )


def _is_ours(entry: Any) -> bool:
    return bool(entry.name.endswith(".py") and not entry.name.startswith("_"))


def _normalised(book: Any) -> Any:
    """Give cells stable ids and take out what differs between machines and runs."""
    book.nbformat, book.nbformat_minor = 4, 5
    book.metadata = type(book)(
        {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    for place, cell in enumerate(book.cells):
        cell["id"] = f"cell-{place:03d}"
        tags = cell.get("metadata", {}).get("tags", [])
        cell["metadata"] = type(book)({"tags": list(tags)} if tags else {})
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return book


def inject(book: Any, parameters: Mapping[str, Any]) -> Any:
    """Put a cell with parameters after the one tagged ``parameters``, hidden from readers.

    Raises
    ------
    ReportError
        If a parameter is unknown to the notebook, or it has no such cell.
    """
    import nbformat

    if not parameters:
        return book
    places = [i for i, cell in enumerate(book.cells) if _has_tag(cell, PARAMETERS_TAG)]
    if not places:
        raise ReportError(
            "The notebook has no cell tagged 'parameters', so it takes none. "
            'Begin a cell with: # %% tags=["parameters"]'
        )
    known = _assigned(book.cells[places[0]]["source"])
    for name in parameters:
        if name not in known:
            raise ReportError(
                f"The notebook has no parameter {name!r}. {nearest(name, known)} "
                "Parameters are the names set in the cell tagged 'parameters'."
            )
    lines = [f"{name} = {_literal(name, value)}" for name, value in parameters.items()]
    cell = nbformat.from_dict(  # type: ignore[no-untyped-call]
        {
            "cell_type": "code",
            "id": "cell-parameters",
            "metadata": {"tags": ["injected-parameters"]},
            "source": "\n".join(lines),
            "outputs": [],
            "execution_count": None,
        }
    )
    book.cells.insert(places[0] + 1, cell)
    return book


def _literal(name: str, value: Any) -> str:
    text = repr(value)
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise ReportError(
            f"The parameter {name!r} is a {type(value).__name__}. Give text, a number, a list, "
            "a dictionary, true, false or nothing."
        ) from None
    return text


def _assigned(source: str) -> list[str]:
    """Name the variables that a cell sets."""
    found: list[str] = []
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        found.extend(target.id for target in targets if isinstance(target, ast.Name))
    return found


def _has_tag(cell: Any, tag: str) -> bool:
    return tag in cell.get("metadata", {}).get("tags", [])


def execute(book: Any, *, folder: Path) -> Any:
    """Run a notebook from top to bottom in a fresh kernel of this Python.

    The kernel's specification, IPython's profile and Jupyter's folders are temporary: nothing of
    the user's own is read or written.

    Parameters
    ----------
    book : nbformat.NotebookNode
        It is run in place.
    folder : Path
        The working folder of the kernel.

    Raises
    ------
    ReportError
        If a cell fails or takes longer than ten minutes, or the kernel does not start.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    with tempfile.TemporaryDirectory(prefix="cxmodel-") as scratch, _environment(Path(scratch)):
        _install_kernel(Path(scratch))
        client = NotebookClient(
            book,
            kernel_name=KERNEL,
            timeout=TIMEOUT_S,
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
        )
        try:
            run_to_end(client)
        except CellExecutionError as error:
            raise ReportError(_failure(book, error)) from error
        except (CellTimeoutError, DeadKernelError, RuntimeError) as error:
            # a kernel that does not start is a RuntimeError: no room for its files, for example
            raise ReportError(f"The notebook could not be run: {error}") from error
    book.metadata.pop("language_info", None)
    return book


def _failure(book: Any, error: Any) -> str:
    """Say which cell failed, and how."""
    failed = next(
        (
            place
            for place, cell in enumerate(book.cells, start=1)
            if any(out.get("output_type") == "error" for out in cell.get("outputs", []))
        ),
        0,
    )
    return (
        f"Cell {failed} of the report notebook failed: {error.ename}: {error.evalue}. "
        "Nothing was written."
    )


def _install_kernel(scratch: Path) -> None:
    """Describe this Python as a kernel, in the temporary folder where Jupyter will look."""
    folder = scratch / "data" / "kernels" / KERNEL
    folder.mkdir(parents=True)
    # Frozen modules make the debugger complain; what is below an error says nothing to a reader.
    command = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "--log-level=40"]
    spec = {
        "argv": [*command, "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


@contextmanager
def _environment(scratch: Path) -> Iterator[None]:
    """Point IPython and Jupyter to a temporary folder while the kernel runs."""
    settings = {
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
    }
    changed = {name: str(scratch / folder) for name, folder in settings.items()}
    # The seed of hashes decides the order of sets, and so bytes; breakpoints are not wanted.
    changed |= {"PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1", "MPLBACKEND": "svg"}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def blocks_of(book: Any) -> list[dict[str, Any]]:
    """Take the blocks that a run notebook shows, in order; its words between them too.

    Cells tagged ``hide`` are left out, and so is the markdown of a notebook's first cell if it is
    tagged so. An output that is no block is shown as text.
    """
    from cxmodel.report.markdown import blocks_of_markdown

    found: list[dict[str, Any]] = []
    for cell in book.cells:
        if _has_tag(cell, "hide"):
            continue
        if cell["cell_type"] == "markdown":
            found.extend(blocks_of_markdown(cell["source"]))
        for output in cell.get("outputs", []):
            found.extend(_blocks_of_output(output))
    return found


def _blocks_of_output(output: Mapping[str, Any]) -> list[dict[str, Any]]:
    shown = output.get("data", {})
    if MIME in shown:
        return [_plain(shown[MIME])]
    if "text/plain" in shown:
        return [{"kind": "preformatted", "text": str(shown["text/plain"])}]
    return []


def _plain(value: Any) -> Any:
    """Turn a notebook's nodes into plain dictionaries and lists."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def to_ipynb(book: Any) -> str:
    """Write a run notebook as JSON."""
    import nbformat

    text: str = nbformat.writes(book, version=4)  # type: ignore[no-untyped-call]
    return text + "\n"
