"""Folders of ours for what an engine puts on disk: made for a session, gone with it."""

from __future__ import annotations

import tempfile

from cxmodel.errors import EngineError
from cxmodel.tables.engines.settings import Engine


def own_folder(engine: Engine) -> str:
    """Make a folder for one session, in ``engine.temp_directory`` or where the system has them.

    Raises
    ------
    EngineError
        If none can be made there.
    """
    try:
        return tempfile.mkdtemp(prefix="cxmodel-", dir=engine.temp_directory)
    except OSError as error:
        raise EngineError(
            f"No folder can be made in engine.temp_directory ({error.strerror}). Name a folder "
            "that exists and can be written to."
        ) from error
