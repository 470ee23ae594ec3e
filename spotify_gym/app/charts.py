"""The page's charts, in Altair: constant specifications, and the data that change.

Data sets are named, so that after a click the browser replaces the data without redrawing the chart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.pca_map import PcaMap

Spec = dict[str, Any]

# legible on white and on black, and distinguishable by colour-blind people
VIBE, NEXT, QUIET, GENRE = "#7c5cff", "#f08c00", "#767d8a", "#0b9e9e"

_GRID = 16  # steps across the map, to which a closer view is rounded
_EDGE = 0.2  # of such a step, to leave free around it

_NARROW = 480  # of a map, below which there is room for fewer names [px]
_TRACK = alt.Tooltip("track:N")


def map_chart(
    pca_map: PcaMap,
    session: ListeningSession | None = None,
    chosen: Sequence[int] = (),
    genre: str | None = None,
    zoomed: bool = False,
    rival: ListeningSession | None = None,
) -> Spec:
    """Draw the catalogue as a map, with the session's path and the tracks that the agent would play next.

    Args:
        pca_map: the catalogue's map.
        session: the session so far; None before there is one.
        chosen: tracks to mark if there is no session.
        genre: the genre whose tracks stand out; None for none.
        zoomed: show only the part of the map that the session covers.
        rival: another session from the same start, whose path is drawn too.
    """
    vibes = session.vibes if session else ()
    offers = session.offers() if session and not session.is_over and not rival else ()
    low, high = _corners(pca_map, session) if zoomed and session else pca_map.corners
    return {
        **_map_spec(pca_map, low, high, genre),
        "datasets": {
            "offers": _tracks(pca_map, [offer.track for offer in offers]),
            "path": _way_of(pca_map, vibes),
            "rival": _way_of(pca_map, rival.vibes if rival else ()),
            "start": _way_of(pca_map, vibes[:1]),
            "heard": _tracks(pca_map, () if rival else session.heard if session else chosen),
        },
    }


def time_chart(session: ListeningSession) -> Spec:
    """Plot each track's reward, and its similarity to the vibe or how well the agent knew the taste at that time."""
    line, plays = "similarity" if session.key is None else "known", session.plays
    columns = {
        "number": range(1, len(plays) + 1),
        "track": [session.dynamics.catalogue.label(play.track) for play in plays],
        "answer": ["listened" if play.heard else "skipped" for play in plays],
        line: [getattr(play, line) for play in plays],
        "reward": [play.reward for play in plays],
    }
    return {**_time_spec(line), "datasets": {"plays": pa.table(columns)}}


def _corners(pca_map: PcaMap, session: ListeningSession) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the corners of the region that a session covers, rounded to a grid so that most clicks keep them."""
    features = session.dynamics.catalogue.features
    tracks = [*session.heard, *(offer.track for offer in session.offers())]
    points = pca_map.locate(np.concatenate([features[tracks], session.vibes]))
    grid = (pca_map.high - pca_map.low) / _GRID
    low = pca_map.low + grid * np.floor((points.min(axis=0) - pca_map.low) / grid - _EDGE)
    high = pca_map.low + grid * np.ceil((points.max(axis=0) - pca_map.low) / grid + _EDGE)
    return tuple(low), tuple(high)


@cache
def _map_spec(pca_map: PcaMap, low: tuple[float, ...], high: tuple[float, ...], genre: str | None) -> Spec:
    """Return the specification of a session's map between two corners."""
    at = _on_map(pca_map, low, high)
    first = alt.condition("datum.place == 1", alt.value(170), alt.value(36))
    tracks, names = _ground(at, pca_map, genre)
    layers = alt.layer(
        tracks.add_params(alt.selection_point("point", fields=["id"], nearest=True)),
        names,
        at("heard").mark_point(size=28, color=VIBE, opacity=0.7).encode(tooltip=_TRACK),
        *_way(at, "path", VIBE),
        *_way(at, "rival", NEXT),
        at("start").mark_point(shape="diamond", size=170, color=VIBE, strokeWidth=2.5, opacity=1, tooltip=None),
        at("offers")
        .mark_point(color=NEXT, filled=True, opacity=0.9, cursor="pointer")
        .encode(size=first, tooltip=_TRACK)
        .add_params(alt.selection_point("offer", fields=["id"])),
    )
    return _spec(layers.properties(height=400))


def _on_map(pca_map: PcaMap, low: Sequence[float], high: Sequence[float]) -> Callable[[alt.Data | str], alt.Chart]:
    """Return a function that places data on the map, whose axes are named after the features at their ends."""
    (left, right), (down, up) = pca_map.directions
    x = _axis(alt.X, (low[0], high[0]), f"←  {left}   ·   {right}  →")
    y = _axis(alt.Y, (low[1], high[1]), f"←  {down}   ·   {up}  →")
    return lambda data: _chart(data).encode(x, y)


def _ground(at: Callable[[Any], alt.Chart], pca_map: PcaMap, genre: str | None) -> tuple[alt.Chart, alt.Chart]:
    """Draw the tracks and the genre names, which the browser requests once."""
    of_genre = f"indexof(datum.genres, {json.dumps(genre)}) >= 0"
    tracks, names = (
        alt.UrlData(f"{pca_map.address}#{part}", format=alt.JsonDataFormat(property=part, type="json"))
        for part in ("tracks", "names")
    )
    return (
        at(tracks)
        .mark_circle(clip=True)
        .encode(
            color=alt.condition(of_genre, alt.value(GENRE), alt.value(QUIET)),
            opacity=alt.condition(of_genre, alt.value(0.9), alt.value(0.3)),
            size=alt.condition(of_genre, alt.value(30), alt.value(12)),
            tooltip=_TRACK,
        ),
        at(names)
        .transform_filter(f"datum.wide === (width > {_NARROW})")
        .mark_text(fontSize=12, fontWeight="bold", color=QUIET, tooltip=None, clip=True)
        .encode(text="name:N"),
    )


def _way(at: Callable[[str], alt.Chart], data: str, colour: str) -> tuple[alt.Chart, ...]:
    newest = alt.condition("datum.newest", alt.value(260), alt.value(22))
    return (
        at(data).mark_line(color=colour, strokeWidth=2.5, tooltip=None).encode(order="order:Q"),
        at(data).mark_circle(color=colour, opacity=1, tooltip=None).encode(size=newest),
    )


@cache
def _time_spec(line: str) -> Spec:
    """Return the specification of the reward bars and the line above them."""
    plays = _chart("plays").encode(
        alt.X("number:O").axis(title="track", labelAngle=0, grid=False),
        tooltip=[
            "track:N",
            "answer:N",
            alt.Tooltip(f"{line}:Q", format=".2f"),
            alt.Tooltip("reward:Q", format=".2f"),
        ],
    )
    height = alt.Y(f"{line}:Q")
    answer = alt.Shape("answer:N").scale(domain=["listened", "skipped"], range=["circle", "cross"]).legend(None)
    layers = alt.layer(
        plays.mark_bar(color=NEXT, opacity=0.55, width=alt.RelativeBandSize(band=0.5)).encode(
            alt.Y("reward:Q").axis(title=None, tickCount=5)
        ),
        plays.mark_line(color=VIBE, strokeWidth=2.5).encode(height),
        plays.mark_point(color=VIBE, filled=True, size=70, opacity=1).encode(height, shape=answer),
    )
    return _spec(layers.properties(height=260))


def _chart(data: alt.Data | str) -> alt.Chart:
    return alt.Chart(alt.NamedData(data) if isinstance(data, str) else data)


def _spec(chart: alt.LayerChart | alt.FacetChart) -> Spec:
    spec: Spec = chart.configure_view(stroke=None).configure_mark(aria=False).to_dict()
    return spec


def _axis(kind: type[Any], domain: tuple[float, float], title: str) -> Any:
    """Return a channel, `alt.X` or `alt.Y`, with a title but without ticks."""
    channel = kind(f"{kind.__name__.lower()}:Q").scale(domain=list(map(float, domain)), nice=False, zero=False)
    return channel.axis(title=title, titleFontWeight="normal", labels=False, ticks=False, grid=False, domain=False)


def _way_of(pca_map: PcaMap, vibes: Sequence[NDArray[np.float32]]) -> pa.Table:
    x, y = pca_map.locate(np.reshape(vibes, (-1, len(pca_map.mean)))).T
    order = np.arange(len(x))
    return pa.table({"x": x, "y": y, "order": order, "newest": order == len(x) - 1})


def _tracks(pca_map: PcaMap, tracks: Sequence[int]) -> pa.Table:
    catalogue = pca_map.catalogue
    x, y = pca_map.locate(catalogue.features[list(tracks)]).T
    labels = [catalogue.label(track) for track in tracks]
    return pa.table({"x": x, "y": y, "track": labels, "id": list(tracks), "place": range(1, len(x) + 1)})
