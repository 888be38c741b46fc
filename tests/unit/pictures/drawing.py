"""What a picture shows, read from its SVG as a browser reads it."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from itsm_workflow.pictures.measure import width_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    Area = tuple[float, float, float, float]

SVG = "{http://www.w3.org/2000/svg}"


def read(svg: str) -> ET.Element:
    """Return the picture, which is also a file of its own."""
    return ET.fromstring(svg)  # noqa: S314 - it was drawn here


def texts(root: ET.Element) -> list[str]:
    """Return the lines of text, from the first drawn to the last."""
    return ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]


def areas(root: ET.Element) -> list[tuple[str, Area]]:
    """Return each text with its left, top, right and bottom side."""
    found = []
    for each in root.iter(f"{SVG}text"):
        x, y, size = (float(each.attrib[name]) for name in ("x", "y", "font-size"))
        words = "".join(each.itertext())
        long = width_of(words, size=size, is_bold=each.attrib.get("font-weight") == "bold")
        left = x - {"start": 0.0, "middle": long / 2, "end": long}[each.attrib.get("text-anchor", "start")]
        found.append((words, (left, y - 0.8 * size, left + long, y + 0.1 * size)))
    return found


def outside(root: ET.Element) -> list[str]:
    """Return the texts that leave the picture."""
    wide, high = float(root.attrib["width"]), float(root.attrib["height"])
    return [
        words
        for words, (left, top, right, bottom) in areas(root)
        if left < 0 or right > wide or top < 0 or bottom > high + 1.2
    ]


def meet(one: Area, other: Area) -> bool:
    """Return whether two areas have a point in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def points(path: str) -> Iterator[tuple[float, float]]:
    """Yield points of a path of straight lines and cubic curves, closer to each other than a letter."""
    now = (0.0, 0.0)
    for sign, numbers in re.findall(r"([MLC])([^MLC]*)", path):
        values = [float(number) for number in numbers.split()]
        ends = [now, *zip(values[::2], values[1::2], strict=True)]
        if sign != "M":
            yield from (_on_curve(ends, step / 100) for step in range(101))
        now = ends[-1]


def _on_curve(ends: list[tuple[float, float]], at: float) -> tuple[float, float]:
    """Return a point between the first and the last of two or four points, by de Casteljau."""
    while len(ends) > 1:
        ends = [(a[0] + at * (b[0] - a[0]), a[1] + at * (b[1] - a[1])) for a, b in itertools.pairwise(ends)]
    return ends[0]
