"""Rendering of a session as text and as a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _MUTED, _GREEN, _GREY = "#191414", "#6b6b6b", "#1db954", "#c9c9c9"
_WIDTH, _HEIGHT, _DPI = 800, 480, 100
_SHOWN = 11  # tracks listed in the picture
_BAR = 12  # characters of the longest bar in the text


class Play(NamedTuple):
    """One recommended track and its result."""

    track: int
    reward: float
    cosine: float
    """Cosine to the vibe before the track, in [-1, 1]."""
    completed: bool
    """Whether it was heard out."""


@dataclass
class Trace:
    """The course of one session."""

    catalogue: Catalogue
    history: NDArray[np.int64]
    """(H,) the starting tracks."""
    vibe: NDArray[np.float32]
    """(d,) the vibe of the session, a view that the environment updates."""
    plays: list[Play] = field(default_factory=list)
    """The recommended tracks, in order."""


def text(trace: Trace) -> str:
    """Describe the session in plain text: the start, each track with cosine and reward, the vibe and the return."""
    label = trace.catalogue.label
    lines = ["Heard before:", *(f"   {label(track)}" for track in trace.history)]
    if trace.plays:
        lines += ["Recommended:        cosine  reward"]
        lines += [_line(i, play, label(play.track)) for i, play in enumerate(trace.plays, start=1)]
    total = sum(play.reward for play in trace.plays)
    lines += [f"Vibe: {_vibe_words(trace)}", f"Return after {len(trace.plays)} tracks: {total:+.2f}"]
    return "\n".join(lines)


def picture(trace: Trace) -> NDArray[np.uint8]:
    """Draw the session: its vibe, the tracks played, the reward so far; (480, 800, 3) uint8.

    Raises:
        gymnasium.error.DependencyNotInstalled: Matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as missing:
        from gymnasium.error import DependencyNotInstalled

        raise DependencyNotInstalled('pictures need Matplotlib: pip install "spotify_gym[video]"') from missing
    figure = Figure(figsize=(_WIDTH / _DPI, _HEIGHT / _DPI), dpi=_DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    _draw_vibe(figure.add_axes((0.145, 0.11, 0.25, 0.75)), trace)
    _draw_tracks(figure.add_axes((0.44, 0.40, 0.54, 0.53)), trace)
    _draw_reward(figure.add_axes((0.52, 0.11, 0.45, 0.23)), trace)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return pixels[..., :3].copy()


def _line(place: int, play: Play, label: str) -> str:
    bar = "█" * round(max(play.cosine, 0.0) * _BAR)
    mark = "" if play.completed else "  (not heard out)"
    return f"{place:3d} {bar:<{_BAR}}   {play.cosine:+.3f}  {play.reward:+.3f}  {label}{mark}"


def _vibe_words(trace: Trace) -> str:
    names = trace.catalogue.feature_names
    return ", ".join(f"{name} {value:+.2f}" for name, value in zip(names, trace.vibe, strict=True))


def _draw_vibe(axes: Axes, trace: Trace) -> None:
    """Draw the vibe as bars over the range of the middle 90 % of the catalogue."""
    names = trace.catalogue.feature_names
    places = np.arange(len(names))[::-1]
    low, high = np.percentile(trace.catalogue.features[:20_000], [5, 95], axis=0)
    axes.barh(places, high - low, left=low, height=0.7, color="#eeeeee")
    axes.barh(places, trace.vibe, height=0.4, color=_GREEN)
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set_yticks(places, labels=names, fontsize=8)
    axes.set_title("Vibe", loc="left", fontsize=12, fontweight="bold", color=_INK)
    axes.set_xlabel("scaled; grey: 90 % of the catalogue", fontsize=7, color=_MUTED)
    _plain(axes)


def _draw_tracks(axes: Axes, trace: Trace) -> None:
    """Write the latest tracks, newest first, with their cosine to the vibe before them."""
    axes.axis("off")
    axes.set_title("Recommended, the newest first", loc="left", fontsize=12, fontweight="bold", color=_INK)
    rows = [(f"{i}", play) for i, play in enumerate(trace.plays, start=1)][::-1][:_SHOWN]
    entries = [(i, f"{p.cosine:+.2f}", _clip(trace.catalogue.label(p.track)), p.completed) for i, p in rows]
    if not entries:
        entries = [("", "", _clip(trace.catalogue.label(t)), False) for t in trace.history[::-1]]
        axes.set_title("Heard before, the newest first", loc="left", fontsize=12, fontweight="bold", color=_INK)
    for row, (place, cosine, label, completed) in enumerate(entries):
        height = 1 - (row + 0.6) / _SHOWN
        colour = _INK if completed else _MUTED
        for x, part, align in ((0.03, place, "right"), (0.13, cosine, "right"), (0.16, label, "left")):
            axes.text(x, height, part, ha=align, va="center", fontsize=8.5, color=colour, parse_math=False)


def _draw_reward(axes: Axes, trace: Trace) -> None:
    rewards = [play.reward for play in trace.plays]
    steps = np.arange(1, len(rewards) + 1)
    colours = [_GREEN if reward >= 0 else "#d9534f" for reward in rewards]
    axes.bar(steps, rewards, width=0.7, color=colours)
    axes.axhline(0, color=_INK, linewidth=0.8)
    longest = max(20, len(rewards))
    axes.set_xlim(0.4, longest + 0.6)
    axes.set_xticks(range(5, longest + 1, 5))
    axes.set_ylim(-1.1, 1.1)
    axes.set_xlabel("track", fontsize=7, color=_MUTED)
    axes.set_ylabel("reward", fontsize=8, color=_MUTED)
    axes.set_title(f"Return so far {sum(rewards):+.2f}", loc="left", fontsize=9, color=_INK)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8, length=0, colors=_MUTED)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _clip(label: str, length: int = 52) -> str:
    return label if len(label) <= length else label[: length - 1] + "…"
