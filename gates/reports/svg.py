"""From a matplotlib figure to SVG that may stand inside the page.

The page's content security policy forbids inline styles, and its colours follow the reader's light or dark
setting. So styles become presentation attributes, and each colour of the palette becomes a class as well.
Ids get a prefix, so that two charts of one page never share one.
"""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree import ElementTree

__all__ = ["PALETTE", "drawing", "inline_svg", "new_figure", "svg_file"]

PALETTE = {
    "ink": "#1b1f24",
    "muted": "#57606a",
    "line": "#d0d7de",
    "pass": "#1a7f37",
    "fail": "#b42318",
    "inconclusive": "#8a5a00",
    "error": "#6f3bb0",
    "champion": "#0b5cad",
}
"""The colours that charts draw with, by the name of the class that the page's style sheet gives a colour."""

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_BY_COLOUR = {colour: name for name, colour in PALETTE.items()}
_INHERITED = {"font-family", "font"}
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: selectable, and in the page's own face
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "path.simplify": False,
}


def new_figure(width: float, height: float) -> Any:
    """A transparent figure, in inches, that belongs to no window system."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(width, height), facecolor="none", layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def drawing(salt: str) -> Any:
    """The settings under which a chart is drawn and saved: equal input gives equal bytes."""
    import matplotlib

    library: Any = matplotlib
    return library.rc_context({**_SETTINGS, "svg.hashsalt": salt})


def inline_svg(figure: Any, name: str, title: str, description: str) -> str:
    """The figure as an `svg` element with a title and a description, without styles, dates or shared ids.

    Args:
        name: a prefix for ids, unique in the page.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 - matplotlib's own output
    for element in root.iter():
        _plain_attributes(element, name)
    for parent in list(root.iter(f"{{{_SVG}}}defs")):
        for style in parent.findall(f"{{{_SVG}}}style"):
            parent.remove(style)
    _describe(root, name, title, description)
    text = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r"\s*\n\s*", " ", text)


def svg_file(figure: Any, name: str, title: str, description: str) -> str:
    """The figure as a file of its own, on white, with a title and a description."""
    figure.set_facecolor("white")
    text = inline_svg(figure, name, title, description)
    return text.replace("<svg ", '<svg font-family="DejaVu Sans, Verdana, sans-serif" ', 1) + "\n"


def _describe(root: ElementTree.Element, name: str, title: str, description: str) -> None:
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(position, element)


def _plain_attributes(element: ElementTree.Element, prefix: str) -> None:
    classes: list[str] = []
    for key, value in _declarations(element.attrib.pop("style", "")):
        if key in {"fill", "stroke"} and value in _BY_COLOUR:
            classes.append(f"{key}-{_BY_COLOUR[value]}")
        if key not in _INHERITED:
            element.set(key, value)
    if classes:
        element.set("class", " ".join(classes))
    if "id" in element.attrib:
        element.set("id", f"{prefix}-{element.attrib['id']}")
    for key, value in list(element.attrib.items()):
        if key == f"{{{_XLINK}}}href" and value.startswith("#"):
            element.set(key, f"#{prefix}-{value[1:]}")
        elif value.startswith("url(#"):
            element.set(key, f"url(#{prefix}-{value[5:]}")


def _declarations(style: str) -> list[tuple[str, str]]:
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return [(key.strip(), value.strip()) for key, _, value in pairs]
