"""Pictures and pages without a network: SVG plots and the HTML around them, drawn from numbers by a few small modules."""

from .markup import Markup, element, joined, text
from .page import Column, Tile, figure, folded, listed, notice, page, pair, section, table, tiles
from .plot import Axis, Dot, Dots, Guide, Layer, Line, plot
from .scale import shown

__all__ = [
    "Axis",
    "Column",
    "Dot",
    "Dots",
    "Guide",
    "Layer",
    "Line",
    "Markup",
    "Tile",
    "element",
    "figure",
    "folded",
    "joined",
    "listed",
    "notice",
    "page",
    "pair",
    "plot",
    "section",
    "shown",
    "table",
    "text",
    "tiles",
]
