"""How far to believe a listener: its predictions and its facts beside those of sessions that it was not fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from spotify_gym.catalogue import Catalogue
from spotify_gym.listeners.facts import facts_of, simulate, tolerance
from spotify_gym.listeners.fitting import predict
from spotify_gym.listeners.logged import LoggedListener
from spotify_gym.listeners.plays import N_CROSSED, Plays
from spotify_gym.listeners.skip_log import SkipLog

Floats = NDArray[np.float64]

_CLOSE = 0.01  # of log-loss and AUC, that the listener may be behind boosting
_CALIBRATED = 0.05  # of share skipped, that the worst of ten bins may be off
_SIMULATED = 20_000  # sessions
_RESAMPLED = 100  # times, for the standard errors of the real facts
PASS, FAIL, UNSURE = "pass", "FAIL", "too few plays to tell"


@dataclass(frozen=True, eq=False)
class Certificate:
    """The tables of a report."""

    predictions: pd.DataFrame
    """Log-loss, AUC and the worst of ten bins of calibration on held-out sessions, the listener beside others."""
    facts: pd.DataFrame
    """Each fact in held-out sessions and in simulated ones, with tolerance and verdict."""
    cannot: tuple[str, ...]
    """What the log cannot tell."""
    size: tuple[int, int]
    """Held-out sessions and their plays."""

    def page(self, listener: LoggedListener, title: str) -> str:
        """Write it as a page of Markdown."""
        counts = self.facts["verdict"].value_counts()
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in (PASS, FAIL, UNSURE) if verdict in counts)
        parts = [
            f"# {title}",
            "**This listener was never fitted to a log.**" if listener.fitted is None else _fitted_text(listener),
            "## Predictions of {1:,} held-out plays, {0:,} sessions\n\n".format(*self.size)
            + _markdown(self.predictions),
            f"A pass: within {_CLOSE} of boosting, and the worst of ten bins within {_CALIBRATED}; "
            "a failure is off by two standard errors more.",
            f"## Facts: {told}\n\n" + _markdown(self.facts),
            "A fact passes within its tolerance, and fails where it is off by more than that and two standard errors.",
            "## What the log cannot tell\n\n" + "\n".join(f"- {line}" for line in self.cannot),
        ]
        if listener.fitted is not None:
            rows = [(name, *numbers) for name, numbers in listener.fitted.get("intervals", {}).items()]
            table = pd.DataFrame(rows, columns=["log-odds of", "fitted", "95 % from", "to"])
            parts.append("## The listener\n\n" + _markdown(table))
        return "\n\n".join(parts) + "\n"


def certify(listener: LoggedListener, log: SkipLog, catalogue: Catalogue | None, seed: int = 0) -> Certificate:
    """Judge a listener by the sessions that :meth:`SkipLog.split` holds out; the others teach those it is set beside.

    Args:
        listener: fitted to the same log, or not.
        log: its tracks are indices of the catalogue if there is one.
        catalogue: where the features of the tracks are looked up.
        seed: of the simulated sessions.

    Raises:
        ValueError: the log is too short to split, or nothing is skipped in a part, or everything.
    """
    decayed = listener.regard == "decayed"
    train, test = (Plays(part, listener.skip_from, catalogue, decayed) for part in log.split())
    for part in (train, test):
        if len(part.log) < 10 or part.skipped.all() or not part.skipped.any():
            raise ValueError(f"{len(log)} sessions are too few to hold some out, or nothing is skipped, or everything")
    tables = _predictions(listener, train, test), _facts(listener, test, seed)
    return Certificate(*tables, tuple(_unknown(listener, test)), (len(test.log), test.log.n_plays))


def worst_bin(probability: Floats, skipped: NDArray[np.bool_], n_bins: int = 10) -> float:
    """Return the largest difference of mean prediction and share skipped, over bins of equally many plays."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, n_bins) if len(part)]
    return max(abs(float(probability[part].mean() - skipped[part].mean())) for part in parts)


def _predictions(listener: LoggedListener, train: Plays, test: Plays) -> pd.DataFrame:
    rate = train.skipped.mean()
    by_position = pd.Series(train.skipped).groupby(train.place).mean()
    rows = {
        "constant rate": np.full(len(test.place), rate),
        "position": by_position.reindex(test.place).fillna(rate).to_numpy(np.float64),
    }
    models = {
        "logistic regression, same facts": LogisticRegression(max_iter=1000),
        "gradient boosting, same facts": HistGradientBoostingClassifier(max_iter=150, random_state=0),
    }
    known, asked = (_known(part) for part in (train, test))
    for name, model in models.items():
        rows[name] = model.fit(known, train.skipped).predict_proba(asked)[:, 1]
    rows["this listener"] = predict(listener, test)
    table = pd.DataFrame(
        [
            (name, log_loss(test.skipped, p), roc_auc_score(test.skipped, p), worst_bin(p, test.skipped))
            for name, p in rows.items()
        ],
        columns=["prediction", "log-loss", "AUC", "worst bin"],
    )
    boosted, own = table.iloc[-2], table.iloc[-1]
    worse = np.diff([_losses(p, test.skipped) for p in list(rows.values())[-2:]], axis=0)[0]
    n_skipped, n_plays = test.skipped.sum(), len(test.skipped)
    judged = {  # how far behind, how far that may be, the standard error
        "log-loss": (worse.mean(), _CLOSE, worse.std() / n_plays**0.5),
        "AUC": (boosted["AUC"] - own["AUC"], _CLOSE, (n_plays / (12 * n_skipped * (n_plays - n_skipped))) ** 0.5),
        "worst bin": (own["worst bin"], _CALIBRATED, 0.5 / (n_plays / 10) ** 0.5),
    }
    said = [f"{name} {_verdict(*numbers)}" for name, numbers in judged.items()]
    return table.assign(verdict=[*[""] * (len(table) - 1), ", ".join(said)])


def _losses(probability: Floats, skipped: NDArray[np.bool_]) -> Floats:
    losses: Floats = -np.log(np.clip(np.where(skipped, probability, 1 - probability), 1e-15, 1))
    return losses


def _verdict(off: float, allowed: float, error: float) -> str:
    return PASS if off <= allowed else FAIL if off > allowed + 2 * error else UNSURE


def _known(plays: Plays) -> Floats:
    """Return what the listener knows of each play, (n, k), as numbers for other models."""
    own = plays.design(20)[:, :-N_CROSSED]
    return np.hstack([own, plays.traces(0.9)[0], plays.place[:, None], plays.last, plays.started[:, None]])


def _facts(listener: LoggedListener, test: Plays, seed: int) -> pd.DataFrame:
    log, rng = test.log, np.random.default_rng(seed)
    skipped, cosine = log.grade >= test.skip_from, np.zeros(log.grade.shape)
    cosine[log.played] = test.cosine
    real = facts_of(skipped, log.played, cosine)
    drawn = (rng.integers(len(log), size=len(log)) for _ in range(_RESAMPLED))
    resampled = pd.DataFrame([facts_of(skipped[rows], log.played[rows], cosine[rows]) for rows in drawn])
    simulated, likeness = _simulated(listener, test, rng)
    shown = facts_of(simulated.grade >= test.skip_from, simulated.played, likeness)
    rows = []
    for name, value in real.items():
        error, off, allowed = float(resampled[name].std()), abs(shown.get(name, np.nan) - value), tolerance(name)
        rows.append((name, value, error, shown.get(name, np.nan), allowed, _verdict(off, allowed, error)))
    return pd.DataFrame(rows, columns=["fact", "log", "± standard error", "simulated", "tolerance", "verdict"])


def _simulated(listener: LoggedListener, test: Plays, rng: np.random.Generator) -> tuple[SkipLog, Floats]:
    """Let the listener hear the tracks of the log, those of a session that is over followed by another one's."""
    log = test.log
    rows = rng.integers(len(log), size=_SIMULATED)
    tracks = np.where(log.played, log.tracks, -1)[rows] if test.catalogue is not None else np.full((len(rows), 1), -1)
    tracks = np.broadcast_to(tracks, (len(rows), log.grade.shape[1])).copy()
    if test.catalogue is not None:
        for t, column in enumerate(log.played.T):
            over = np.flatnonzero(~column[rows])
            tracks[over, t] = rng.choice(log.tracks[column, t], len(over))
    catalogue = test.catalogue or Catalogue.builtin(100)
    lengths = log.played.sum(axis=1)
    shortest = int(lengths[log.ended].min()) if log.ended.any() else log.grade.shape[1]
    seed = int(rng.integers(2**31))
    return simulate(listener, catalogue, len(rows), log.grade.shape[1], seed, tracks=tracks, shortest=shortest)


def _unknown(listener: LoggedListener, test: Plays) -> Iterator[str]:
    log = test.log
    lengths = log.played.sum(axis=1)
    if not test.cosine.any():
        yield "regard for sound: no track of the log is joined to features (--catalogue), so taste_weight is not tested"
    elif listener.regard == "taste":
        yield "taste_weight: a log shows the cosine to the vibe, and this listener has a hidden taste"
    if log.started is None:
        yield "how plays were started: there is no hist_user_behavior_reason_start"
    if not test.again.any():
        yield "repeats: no track plays twice in a session"
    if not log.ended.any():
        yield "leaving: no session ends before the log does"
    elif lengths.min() > 1:
        yield f"leaving before play {lengths.min()}: no session in the log is shorter; the later rate stands for it"
    yield f"what comes after play {lengths.max()}, where the longest sessions end or are cut"
    yield "what listeners would do with tracks that they were not played: whoever recommended chose what is logged"
    if log.propensity is None:
        yield "whether it orders recommenders as listeners do: that needs the propensity of each play"


def _fitted_text(listener: LoggedListener) -> str:
    facts = dict(listener.fitted or {})
    return (
        f"Fitted to {facts.get('sessions', '?')} sessions, {facts.get('plays', '?')} plays, a skip being "
        f"{facts.get('skip', '?')}; the share of plays that are of tracks with features is {facts.get('joined', 0)}."
    )


def _markdown(table: pd.DataFrame) -> str:
    cells = table.map(lambda value: f"{value:.3f}" if isinstance(value, float) else str(value))
    rows = [list(cells.columns), ["---"] * len(cells.columns), *cells.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
