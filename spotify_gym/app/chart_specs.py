"""What the pictures of the page look like, in Vega-Lite: all but the data, which go by name."""

from __future__ import annotations

from typing import Any

from spotify_gym.app.pca_map import Atlas

Spec = dict[str, Any]

VIBE, NEXT, QUIET = "#7c5cff", "#f08c00", "#767d8a"  # legible on white and on black, told apart without red and green
_SERIES = {"domain": ["your vibe", "next track"], "range": [VIBE, NEXT]}


def map_spec(atlas: Atlas) -> Spec:
    """Return the map, its axes named after what lies at their ends."""
    (low_x, low_y), (high_x, high_y) = atlas.low.tolist(), atlas.high.tolist()
    (left, right), (down, up) = atlas.directions
    x = _axis("x", f"←  {left}   ·   {right}  →", [low_x, high_x])
    y = _axis("y", f"←  {down}   ·   {up}  →", [low_y, high_y])
    return {
        "height": 400,
        "layer": [_place(x, y, **layer) for layer in _MAP_LAYERS],
        "config": {"view": {"stroke": None}},
    }


def _place(x: Spec, y: Spec, data: str, mark: Spec, **encoding: Any) -> Spec:
    """Return a layer of marks at (x, y); it tells under the mouse what `encoding` says, and else nothing."""
    quiet = {} if "tooltip" in encoding else {"tooltip": None}
    return {"data": {"name": data}, "mark": {**mark, **quiet}, "encoding": {"x": x, "y": y, **encoding}}


def _axis(field: str, title: str | None, domain: list[float]) -> Spec:
    axis = {
        "title": title,
        "labels": False,
        "ticks": False,
        "grid": False,
        "domain": False,
        "titleFontWeight": "normal",
    }
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": domain, "nice": False, "zero": False},
        "axis": axis if title else None,
    }


_TRACK_TOOLTIP = [{"field": "track", "title": "track"}]
_MAP_LAYERS: list[dict[str, Any]] = [
    {
        "data": "tracks",
        "mark": {"type": "circle", "size": 12, "opacity": 0.3, "color": QUIET},
        "tooltip": _TRACK_TOOLTIP,
    },
    {
        "data": "places",
        "mark": {"type": "text", "fontSize": 12, "fontWeight": "bold", "color": QUIET},
        "text": {"field": "name"},
    },
    {
        "data": "heard",
        "mark": {"type": "point", "size": 28, "color": VIBE, "opacity": 0.7},
        "tooltip": _TRACK_TOOLTIP,
    },
    {
        "data": "offers",
        "mark": {"type": "point", "color": NEXT, "filled": True, "opacity": 0.9},
        "size": {"condition": {"test": "datum.place == 1", "value": 170}, "value": 36},
        "tooltip": _TRACK_TOOLTIP,
    },
    {
        "data": "path",
        "mark": {"type": "line", "color": VIBE, "strokeWidth": 2.5},
        "order": {"field": "order", "type": "quantitative"},
    },
    {
        "data": "path",
        "mark": {"type": "circle", "color": VIBE, "opacity": 1},
        "size": {"condition": {"test": "datum.newest", "value": 260}, "value": 22},
    },
    {
        "data": "start",
        "mark": {"type": "point", "shape": "diamond", "size": 170, "color": VIBE, "strokeWidth": 2.5, "opacity": 1},
    },
]

_HUE = {"field": "series", "type": "nominal", "scale": _SERIES, "legend": None}
_ORDER = {"field": "order", "type": "quantitative"}
_X, _Y = _axis("x", None, [-1.62, 1.62]), _axis("y", None, [-1.25, 1.25])
_CLOSED = {"type": "line", "interpolate": "linear-closed"}
_OUTWARDS = {"align": {"expr": "datum.x > 0.1 ? 'left' : datum.x < -0.1 ? 'right' : 'center'"}}
RADAR: Spec = {
    "width": 324,
    "height": 250,
    "autosize": "pad",
    "layer": [
        _place(
            _X,
            _Y,
            "rings",
            {**_CLOSED, "color": QUIET, "opacity": 0.4, "strokeWidth": 1},
            detail={"field": "ring"},
            order=_ORDER,
        ),
        _place(_X, _Y, "names", {"type": "text", "fontSize": 12, "color": QUIET, **_OUTWARDS}, text={"field": "name"}),
        _place(
            _X,
            _Y,
            "shapes",
            {**_CLOSED, "filled": True, "fillOpacity": 0.18, "strokeWidth": 2.5, "stroke": None},
            color=_HUE,
            order=_ORDER,
        ),
        _place(_X, _Y, "shapes", {**_CLOSED, "strokeWidth": 2.5}, color=_HUE, order=_ORDER),
        _place(
            _X,
            _Y,
            "shapes",
            {"type": "circle", "size": 45, "opacity": 1},
            color=_HUE,
            tooltip=[
                {"field": "series"},
                {"field": "feature"},
                {"field": "share", "format": ".0%", "title": "above this share of tracks"},
            ],
        ),
    ],
    "config": {"view": {"stroke": None}},
}

_SIMILARITY = {"field": "similarity", "type": "quantitative"}
TIME: Spec = {
    "height": 260,
    "data": {"name": "plays"},
    "encoding": {
        "x": {"field": "number", "type": "ordinal", "axis": {"title": "track", "labelAngle": 0, "grid": False}},
        "y": {"type": "quantitative", "axis": {"title": None, "tickCount": 5}},
        "tooltip": [
            {"field": "track"},
            {"field": "answer"},
            {"field": "similarity", "format": ".2f"},
            {"field": "reward", "format": ".2f"},
        ],
    },
    "layer": [
        {
            "mark": {"type": "bar", "color": NEXT, "opacity": 0.55, "width": {"band": 0.5}},
            "encoding": {"y": {"field": "reward", "type": "quantitative"}},
        },
        {"mark": {"type": "line", "color": VIBE, "strokeWidth": 2.5}, "encoding": {"y": _SIMILARITY}},
        {
            "mark": {"type": "point", "color": VIBE, "filled": True, "size": 70, "opacity": 1},
            "encoding": {
                "y": _SIMILARITY,
                "shape": {
                    "field": "answer",
                    "type": "nominal",
                    "scale": {"domain": ["listened", "skipped"], "range": ["circle", "cross"]},
                    "legend": None,
                },
            },
        },
    ],
    "config": {"view": {"stroke": None}},
}
"""Reward and similarity of each track."""
