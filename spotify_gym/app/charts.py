"""The pictures of the page: specifications that never change, and the data that do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotify_gym.app.chart_specs import RADAR, TIME, Spec, map_spec
from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.pca_map import Atlas
from spotify_gym.catalogue import Catalogue


def map_chart(atlas: Atlas, session: ListeningSession) -> Spec:
    """Draw the catalogue as a landscape, the way of the session through it, and where the agent would go next."""
    catalogue = session.dynamics.catalogue
    offers = [offer.track for offer in session.offers()]
    path = _points(atlas.locate(np.array(session.vibes)))
    return {
        **map_spec(atlas),
        "datasets": {
            "tracks": pd.DataFrame(atlas.points, columns=["x", "y"]).assign(track=atlas.labels),
            "places": pd.DataFrame([(p.x, p.y, p.name) for p in atlas.places], columns=["x", "y", "name"]),
            "offers": _named(catalogue, atlas, offers),
            "path": path,
            "start": path.iloc[: int(len(path) > 1)],
            "heard": _named(catalogue, atlas, session.heard),
        },
    }


def radar_chart(spokes: Sequence[str], vibe: NDArray[Any], following: NDArray[Any] | None) -> Spec:
    """Draw vibe and next track, (d,) shares in [0, 1] each, as polygons with a named spoke for each feature."""
    shapes = {"your vibe": vibe} | ({} if following is None else {"next track": following})
    angles = np.linspace(0, 2 * np.pi, len(spokes), endpoint=False)
    corners = [
        (series, name, share, i, *_spoke(angle, 0.08 + 0.92 * share))
        for series, shares in shapes.items()
        for i, (name, share, angle) in enumerate(zip(spokes, shares, angles, strict=True))
    ]
    rings = [(f"{r}", i, *_spoke(angle, r)) for r in (0.25, 0.5, 0.75, 1.0) for i, angle in enumerate(angles)]
    names = [(name, *_spoke(angle, 1.12)) for name, angle in zip(spokes, angles, strict=True)]
    return {
        **RADAR,
        "datasets": {
            "rings": pd.DataFrame(rings, columns=["ring", "order", "x", "y"]),
            "names": pd.DataFrame(names, columns=["name", "x", "y"]),
            "shapes": pd.DataFrame(corners, columns=["series", "feature", "share", "order", "x", "y"]),
        },
    }


def time_chart(session: ListeningSession) -> Spec:
    """Draw how alike each track was to the vibe before it, and what it earned."""
    catalogue = session.dynamics.catalogue
    rows = [
        (number, catalogue.label(play.track), "listened" if play.heard else "skipped", play.similarity, play.reward)
        for number, play in enumerate(session.plays, start=1)
    ]
    plays = pd.DataFrame(rows, columns=["number", "track", "answer", "similarity", "reward"])
    return {**TIME, "datasets": {"plays": plays}}


def _points(points: NDArray[np.float32]) -> pd.DataFrame:
    frame = pd.DataFrame(points, columns=["x", "y"])
    return frame.assign(order=np.arange(len(frame)), newest=np.arange(len(frame)) == len(frame) - 1)


def _named(catalogue: Catalogue, atlas: Atlas, tracks: Sequence[int]) -> pd.DataFrame:
    frame = pd.DataFrame(atlas.locate(catalogue.features[list(tracks)]).reshape(-1, 2), columns=["x", "y"])
    return frame.assign(track=[catalogue.label(track) for track in tracks], place=np.arange(1, len(frame) + 1))


def _spoke(angle: float, radius: float) -> tuple[float, float]:
    """Return the point at a clockwise angle from twelve o'clock."""
    return float(radius * np.sin(angle)), float(radius * np.cos(angle))
