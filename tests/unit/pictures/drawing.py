"""What a picture shows, read from its SVG as a browser reads it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from itsm_workflow.pictures.measure import width_of

SVG = "{http://www.w3.org/2000/svg}"


def read(svg: str) -> ET.Element:
    """Return the picture, which is also a file of its own."""
    return ET.fromstring(svg)  # noqa: S314 - it was drawn here


def texts(root: ET.Element) -> list[str]:
    """Return the lines of text, from the first drawn to the last."""
    return ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]


def outside(root: ET.Element) -> list[str]:
    """Return the texts that leave the picture."""
    wide, high = float(root.attrib["width"]), float(root.attrib["height"])
    found = []
    for each in root.iter(f"{SVG}text"):
        x, y, size = (float(each.attrib[name]) for name in ("x", "y", "font-size"))
        words = "".join(each.itertext())
        long = width_of(words, size=size, is_bold=each.attrib.get("font-weight") == "bold")
        left = x - {"start": 0.0, "middle": long / 2, "end": long}[each.attrib.get("text-anchor", "start")]
        if left < 0 or left + long > wide or not size <= y <= high:
            found.append(words)
    return found
