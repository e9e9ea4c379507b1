"""A picture: captioned rows of tiles, and what is said of it."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from PIL import Image, ImageDraw, ImageFont

from dinov2.errors import DataError

Colour = tuple[int, int, int]

GAP = 8
CAPTION = 38
LETTERS = 22
INK = (128, 128, 128, 255)
"""Legible on white and on black: the picture itself is transparent."""


@dataclass(frozen=True)
class Picture:
    """Rows, whose captions are text: a page writes them as such, and so they are legible on a phone.

    Attributes:
        name: of its file, without the ending.
        title: in a few words.
        caption: what is to be seen, in a sentence or two.
        alternative: what is on it, for those who cannot see it.
        rows: by caption, from top to bottom; RGBA.
        abreast: rows may stand beside each other where there is room.
        legend: what colours mean.
        note: numbers that go with it.
    """

    name: str
    title: str
    caption: str
    alternative: str
    rows: Mapping[str, Image.Image]
    abreast: bool = False
    legend: Mapping[str, Colour] = field(default_factory=dict)
    note: str = ""

    def image(self) -> Image.Image:
        """All rows below each other, each under its caption, and the legend."""
        width = max(row.width for row in self.rows.values())
        lines = _lines(self.legend, width)
        height = sum(CAPTION + row.height for row in self.rows.values()) + CAPTION * len(lines)
        canvas = Image.new("RGBA", (width, height), (0, 0, 0, 0))
        draw, top = ImageDraw.Draw(canvas), 0
        for caption, row in self.rows.items():
            draw.text((0, top + CAPTION - 9), caption, fill=INK, font=_font(), anchor="ls")
            canvas.paste(row, (0, top + CAPTION))
            top += CAPTION + row.height
        for line in lines:
            for left, name in line:
                draw.rectangle((left, top + 13, left + 18, top + 31), fill=self.legend[name])
                draw.text((left + 26, top + CAPTION - 9), name, fill=INK, font=_font(), anchor="ls")
            top += CAPTION
        return canvas

    def png(self) -> bytes:
        """The same as a file."""
        with io.BytesIO() as file:
            self.image().save(file, "PNG", optimize=True)
            return file.getvalue()


def of_set(name: str, pictures: Sequence[Picture]) -> list[Picture]:
    """The same, with the name of the set that they are of in their names and titles."""
    return [replace(each, name=f"{name}-{each.name}", title=f"{each.title}: {name}") for each in pictures]


def beside(pictures: Mapping[str, Picture]) -> Picture:
    """Pictures of one kind from several models as one: of each row one of every model, below each other.

    Rows that are equal in all, the photographs, stand there once.

    Args:
        pictures: by name of the model.

    Raises:
        DataError: they are of different kinds.
    """
    first = next(iter(pictures.values()))
    if any(each.name != first.name for each in pictures.values()):
        raise DataError(f"pictures {', '.join(each.name for each in pictures.values())}: not of one kind")
    if len(pictures) == 1:
        return first
    rows: dict[str, Image.Image] = {}
    for caption in {caption: None for each in pictures.values() for caption in each.rows}:
        found = {model: each.rows[caption] for model, each in pictures.items() if caption in each.rows}
        shared = len(found) == len(pictures) and len({(row.size, row.tobytes()) for row in found.values()}) == 1
        rows |= (
            {caption: first.rows[caption]} if shared else {f"{caption}: {model}": row for model, row in found.items()}
        )
    legend = {name: colour for each in pictures.values() for name, colour in each.legend.items()}
    note = "; ".join(f"{model}: {each.note}" for model, each in pictures.items() if each.note)
    alternative = f"{first.alternative}; of each {' and of '.join(pictures)}"
    return replace(first, rows=rows, legend=legend, note=note, alternative=alternative)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(LETTERS)


def _lines(legend: Mapping[str, Colour], width: int) -> list[list[tuple[int, str]]]:
    """Where the names of a legend begin, line by line."""
    lines: list[list[tuple[int, str]]] = []
    left = width
    for name in legend:
        wide = 26 + round(_font().getlength(name)) + 24
        if left + wide > width:
            lines.append([])
            left = 0
        lines[-1].append((left, name))
        left += wide
    return lines
