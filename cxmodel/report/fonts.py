"""The font of the reports: Source Sans Pro (SIL Open Font License), unmodified."""

from __future__ import annotations

import functools
import struct
import zlib
from pathlib import Path

from cxmodel.errors import ReportError

FAMILY = "Source Sans Pro"
FACES = {"Regular": (400, "normal"), "Semibold": (600, "normal"), "It": (400, "italic")}


def font_file(face: str) -> Path:
    """Give the file of a face.

    Raises
    ------
    ReportError
        If the package of the font is not installed or lacks the file.
    """
    try:
        import font_source_sans_pro
    except ImportError as error:
        raise ReportError(
            "The font of the reports is not installed. Run: pip install font-source-sans-pro"
        ) from error
    path = Path(font_source_sans_pro.font_directory) / f"SourceSansPro-{face}.otf"
    if not path.is_file():
        raise ReportError(
            f"{path.name} is missing in the package font-source-sans-pro. Install it again."
        )
    return path


@functools.cache
def web_font(face: str) -> bytes:
    """Give a face in the WOFF 1.0 container: the same tables, each one deflated.

    The container is that of https://www.w3.org/TR/WOFF/; the font inside is not changed.
    """
    return woff(font_file(face).read_bytes())


def woff(font: bytes) -> bytes:
    """Pack an OpenType font into WOFF 1.0."""
    n_tables = struct.unpack(">H", font[4:6])[0]
    entries = [struct.unpack(">4sIII", font[12 + 16 * i : 28 + 16 * i]) for i in range(n_tables)]
    offset = 44 + 20 * n_tables
    directory, bodies = b"", b""
    for tag, checksum, start, length in sorted(entries):
        table = font[start : start + length]
        packed = zlib.compress(table, 9)
        packed = packed if len(packed) < length else table
        directory += struct.pack(
            ">4sIIII", tag, offset + len(bodies), len(packed), length, checksum
        )
        bodies += packed + b"\0" * (-len(packed) % 4)
    # WOFF wants the size that the font has with its tables padded to four bytes.
    full_size = 12 + 16 * n_tables + sum((length + 3) & ~3 for *_, length in entries)
    header = struct.pack(
        ">4s4sIHHIHHIIIII",
        b"wOFF",
        font[:4],
        offset + len(bodies),
        n_tables,
        0,
        full_size,
        1,
        0,
        *(0, 0, 0, 0, 0),
    )
    return header + directory + bodies


@functools.cache
def characters() -> frozenset[int]:
    """Give the code points that every face in use has.

    Read from the table ``cmap`` of the font, formats 4 and 12.
    """
    return frozenset.intersection(*(_code_points(font_file(face).read_bytes()) for face in FACES))


def missing_characters(text: str) -> str:
    """Give the characters of a text that the font lacks, each once, in order.

    Examples
    --------
    >>> missing_characters("Zürich − 5 €, 日本")
    '日本'
    """
    known = characters()
    return "".join(
        dict.fromkeys(c for c in text if ord(c) not in known and not c.isspace() and c != "\u00ad")
    )


def _code_points(font: bytes) -> frozenset[int]:
    n_tables = struct.unpack(">H", font[4:6])[0]
    entries = [struct.unpack(">4sIII", font[12 + 16 * i : 28 + 16 * i]) for i in range(n_tables)]
    cmap = next(font[start : start + length] for tag, _, start, length in entries if tag == b"cmap")
    found: set[int] = set()
    for i in range(struct.unpack(">H", cmap[2:4])[0]):
        offset = struct.unpack(">HHI", cmap[4 + 8 * i : 12 + 8 * i])[2]
        kind = struct.unpack(">H", cmap[offset : offset + 2])[0]
        if kind == 12:
            found |= _format_12(cmap[offset:])
        elif kind == 4:
            found |= _format_4(cmap[offset:])
    return frozenset(found)


def _format_12(table: bytes) -> set[int]:
    n_groups = struct.unpack(">I", table[12:16])[0]
    groups = [struct.unpack(">III", table[16 + 12 * i : 28 + 12 * i]) for i in range(n_groups)]
    return {code for first, last, _ in groups for code in range(first, last + 1)}


def _format_4(table: bytes) -> set[int]:
    n = struct.unpack(">H", table[6:8])[0] // 2
    lasts = struct.unpack(f">{n}H", table[14 : 14 + 2 * n])
    firsts = struct.unpack(f">{n}H", table[16 + 2 * n : 16 + 4 * n])
    spans = zip(firsts, lasts, strict=True)
    return {code for first, last in spans if last != 0xFFFF for code in range(first, last + 1)}
