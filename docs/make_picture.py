"""Make docs/report.png: the first pages of the demo's board report, side by side.

Run it after ``make demo``; it needs nothing but cxmodel and what cxmodel depends on:

    python docs/make_picture.py [reports/demo] [docs/report.png]

The pages are those of the PDF, drawn by typst as pictures.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

from cxmodel.report.notebook import blocks_of, execute, load_notebook
from cxmodel.report.pdf import render_pages
from cxmodel.report.reading import read_values

PAGES = 3
PIXELS_PER_INCH = 64.0  # a page is then 529 pixels wide, the picture about 1,600
GAP = 10
BETWEEN = "#c3cad4"
COLOURS = 128  # a palette keeps the file small


def side_by_side(pages: list[bytes]) -> Image.Image:
    """Put pictures of pages next to each other on a grey ground."""
    images = [Image.open(io.BytesIO(page)).convert("RGB") for page in pages]
    width = sum(image.width for image in images) + GAP * (len(images) + 1)
    ground = Image.new("RGB", (width, images[0].height + 2 * GAP), BETWEEN)
    left = GAP
    for image in images:
        ground.paste(image, (left, GAP))
        left += image.width + GAP
    return ground


def main(results: Path, target: Path) -> None:
    """Run the report notebook on stored results and draw its first pages."""
    blocks = blocks_of(execute(load_notebook(), folder=results.resolve()))
    title = str(read_values(results)["study"]["title"])
    pages = render_pages(blocks, title=title, pixels_per_inch=PIXELS_PER_INCH)
    picture = side_by_side(pages[:PAGES])
    picture.quantize(COLOURS).save(target, optimize=True)


if __name__ == "__main__":
    defaults = ["reports/demo", str(Path(__file__).with_name("report.png"))]
    folder, picture_file = [*sys.argv[1:], *defaults[len(sys.argv) - 1 :]]
    main(Path(folder), Path(picture_file))
