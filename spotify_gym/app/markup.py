"""Small pieces of HTML, styled by style.css.

All texts pass through `html.escape`, so that titles cannot inject markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from spotify_gym.app.words import artists_of, genres_of, link_of, signed, spoken, title_of
from spotify_gym.catalogue import Catalogue

_MOST_GENRES = 4


def headline(kicker: str, text: str, below: str = "") -> str:
    """Return a large line between two small ones."""
    return f'{small_line(kicker)}<h2 class="sg-head">{escape(text)}</h2>{line_below(below) if below else ""}'


def small_line(text: str) -> str:
    """Return what stands over a large line, or over a list."""
    return f'<p class="sg-kicker">{escape(text)}</p>'


def line_below(text: str) -> str:
    """Return what stands below a large line, or below a button."""
    return f'<p class="sg-sub">{escape(text)}</p>'


def track_card(catalogue: Catalogue, track: int, kicker: str, similarity: float, why: str) -> str:
    """Return a card for a track: title, artists, genres, similarity, and why it was chosen."""
    chips = "".join(
        f'<span class="sg-chip">{escape(genre)}</span>' for genre in genres_of(catalogue, track)[:_MOST_GENRES]
    )
    return (
        '<div class="sg-card" role="status">'
        + headline(kicker, title_of(catalogue, track), artists_of(catalogue, track))
        + (f'<div class="sg-chips">{chips}</div>' if chips else "")
        + meter("similarity to your vibe", similarity)
        + f'<p class="sg-why">{escape(why)}</p></div>'
    )


def meter(name: str, value: float, share: float | None = None) -> str:
    """Return a number as a bar, `share` of its width, by default a cosine; below zero it is empty."""
    width = 100 * max(0.0, min(1.0, value if share is None else share))
    bar = f'<span class="sg-bar" aria-hidden="true"><i style="width:{width:.0f}%"></i></span>'
    return f'<div class="sg-line"><span class="sg-value">{escape(name)}</span>{bar}<b>{signed(value)}</b></div>'


def meters(values: Mapping[str, float]) -> str:
    """Return numbers by name as bars, beside the largest of them."""
    largest = max(map(abs, values.values()), default=0) or 1
    return "".join(meter(name, value, value / largest) for name, value in values.items())


def track_row(catalogue: Catalogue, track: int, rank: int | None, value: str = "") -> str:
    """Return a track in one row of a list."""
    artists = artists_of(catalogue, track) or ", ".join(genres_of(catalogue, track)[:_MOST_GENRES])
    return (
        f'<div class="sg-row"><span class="sg-rank">{rank or ""}</span><span class="sg-name">'
        f"<b>{escape(title_of(catalogue, track))}</b><span>{escape(artists)}</span></span>"
        f'<span class="sg-value">{escape(value)}</span>{_play_link(catalogue, track)}</div>'
    )


def _play_link(catalogue: Catalogue, track: int) -> str:
    """Return a link to play the track; empty if there is none."""
    if (link := link_of(catalogue, track)) is None:
        return ""
    name = escape(f"Hear {spoken(catalogue, track)} at Spotify", quote=True)
    return f'<a class="sg-play" href="{link}" target="_blank" rel="noopener noreferrer" aria-label="{name}">▶</a>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return numbers side by side, each with what it counts."""
    return (
        '<p class="sg-facts">'
        + "".join(f"<span><b>{escape(n)}</b><span>{escape(what)}</span></span>" for n, what in pairs)
        + "</p>"
    )


def colour_key(colours: Sequence[tuple[str, str]]) -> str:
    """Return the legend of a picture, from (colour, meaning) pairs."""
    entries = (
        f'<span><i style="background:{escape(colour)}"></i>{escape(meaning)}</span>' for colour, meaning in colours
    )
    return f'<p class="sg-key">{"".join(entries)}</p>'


def scales(ends: Sequence[tuple[str, str]], points: Sequence[tuple[str, str, Sequence[float]]]) -> str:
    """Return features as lines between two words, low and high, on which points lie.

    Args:
        ends: the words for each of d features.
        points: name, colour and places on each line, (d,) in [0, 1].
    """
    lines = "".join(_scale(*words, [(name, hue, at[j]) for name, hue, at in points]) for j, words in enumerate(ends))
    return f'<div class="sg-scales">{lines}</div>'


def _scale(low: str, high: str, points: Sequence[tuple[str, str, float]]) -> str:
    dots = "".join(f'<i style="left:{100 * at:.0f}%;background:{escape(hue)}"></i>' for _, hue, at in points)
    told = escape(", ".join(f"{name} {100 * at:.0f} %" for name, _, at in points), quote=True)
    rail = f'<span class="sg-rail" role="img" title="{told}" aria-label="{told}">{dots}</span>'
    return f"<span>{escape(low)}</span>{rail}<span>{escape(high)}</span>"


def empty_place(text: str) -> str:
    """Return a placeholder for a track."""
    return f'<div class="sg-empty">{escape(text)}</div>'
