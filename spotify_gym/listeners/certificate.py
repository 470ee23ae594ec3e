"""Certificate of a listener: its predictions and statistics compared with those of held-out sessions of a log."""

from __future__ import annotations

import io
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

_CLOSE = 0.01  # tolerance by which log-loss and AUC may be worse than those of boosting
_CALIBRATED = 0.05  # tolerance of the calibration error of the worst of ten bins, as a share skipped
_SIMULATED = 20_000  # sessions
_RESAMPLED = 100  # bootstrap samples for the standard errors of the real facts
_SERIES = {
    "skip rate at position": "share skipped, by position",
    "skip rate with": "share skipped, by skips among the last three",
    "autocorrelation": "autocorrelation of skips, by lag",
}
PASS, FAIL, UNSURE = "pass", "FAIL", "too few plays to tell"


@dataclass(frozen=True, eq=False)
class Certificate:
    """The tables of a report."""

    predictions: pd.DataFrame
    """Log-loss, AUC and calibration error of the worst of ten bins on held-out sessions, per model."""
    facts: pd.DataFrame
    """Each fact in held-out sessions and in simulated ones, with tolerance and verdict."""
    calibration: Floats
    """(2, 10) mean prediction and share skipped, in bins of equally many held-out plays."""
    cannot: tuple[str, ...]
    """Sentences about what the log cannot tell."""
    size: tuple[int, int]
    """Number of held-out sessions and of their plays."""

    def sections(self, listener: LoggedListener) -> Iterator[tuple[str, pd.DataFrame | list[str] | bytes]]:
        """Yield the sections of the report: a heading with sentences, a table of strings or a PNG picture."""
        verdicts = pd.concat([self.predictions["verdict"], self.facts["verdict"]])
        told = ", ".join(f"{n} {verdict}" for verdict in (PASS, FAIL, UNSURE) if (n := (verdicts == verdict).sum()))
        yield "In words", [*_words(listener), f"Of {len(verdicts)} lines: {told}."]
        yield "Predictions of {1:,} held-out plays, {0:,} sessions".format(*self.size), _texts(self.predictions)
        yield "Facts", _texts(self.facts)
        yield "The log and simulated sessions", self._drawn()
        behind = f"within {_CLOSE} of boosting on the same facts; the worst of ten bins within {_CALIBRATED}"
        yield (
            "How to read it",
            [
                f"Log-loss and AUC pass {behind}. Worst bin: its difference of prediction and share skipped.",
                "A fact passes within its tolerance. A line fails if it is off by more, and by two standard errors.",
            ],
        )
        yield "What the log cannot tell", list(self.cannot)
        if listener.fitted is not None:
            rows = [(name, *numbers) for name, numbers in listener.fitted.get("intervals", {}).items()]
            yield "The listener", _texts(pd.DataFrame(rows, columns=["log-odds of", "fitted", "95 % from", "to"]))

    def _drawn(self) -> bytes:
        """Return a PNG plot of the facts that form a series, real and simulated, and of the calibration."""
        from matplotlib.figure import Figure  # not pyplot: no window, no global state

        canvas, file = Figure(figsize=(11, 7), dpi=110, layout="constrained"), io.BytesIO()
        *panels, last = canvas.subplots(2, 2).ravel()
        for axes, (start, title) in zip(panels, _SERIES.items(), strict=True):
            rows = self.facts[self.facts["fact"].str.startswith(start)]
            x = rows["fact"].str.extract(r"(\d+)", expand=False).astype(int)
            axes.errorbar(x, rows["log"], 1.96 * rows["± standard error"], fmt="o", color="#575757", label="log")
            axes.plot(x, rows["simulated"], color="#D55E00", marker=".", label="simulated")
            axes.set(title=title, xticks=[*x])
            axes.legend(frameon=False)
        last.plot([0, 1], [0, 1], color="#C4C4C4")
        last.plot(*self.calibration, color="#0072B2", marker="o")
        last.set(title="share skipped, by prediction", xlabel="predicted", ylabel="skipped", xlim=(0, 1), ylim=(0, 1))
        canvas.savefig(file, format="png")
        return file.getvalue()


def certify(listener: LoggedListener, log: SkipLog, catalogue: Catalogue | None, seed: int = 0) -> Certificate:
    """Evaluate a listener on the sessions held out by :meth:`SkipLog.split`; other models are trained on the rest.

    Args:
        listener: the listener, fitted to the same log or not.
        log: the log; its tracks are indices of the catalogue if one is given.
        catalogue: source of the features of the tracks; None: nothing is known of their sound.
        seed: seed of the simulated sessions.

    Raises:
        ValueError: the log is too short to split, or all or none of the plays in a part are skipped.
    """
    decayed = listener.regard == "decayed"
    train, test = (Plays(part, listener.skip_from, catalogue, decayed) for part in log.split())
    for part in (train, test):
        if len(part.log) < 10 or part.skipped.all() or not part.skipped.any():
            raise ValueError(f"{len(log)} sessions are too few for a held-out fifth, or all or no plays are skipped")
    predicted, bins = _predictions(listener, train, test), calibration(predict(listener, test), test.skipped)
    cannot = tuple(_unknown(listener, test))
    return Certificate(predicted, _facts(listener, test, seed), bins, cannot, (len(test.log), test.log.n_plays))


def calibration(probability: Floats, skipped: NDArray[np.bool_], n_bins: int = 10) -> Floats:
    """Return mean prediction and share skipped, (2, n), in bins of equally many plays."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, n_bins) if len(part)]
    return np.array([[values[part].mean() for part in parts] for values in (probability, skipped)])


def worst_bin(probability: Floats, skipped: NDArray[np.bool_], n_bins: int = 10) -> float:
    """Return the largest difference between mean prediction and share skipped, over bins of equally many plays."""
    return float(np.abs(np.diff(calibration(probability, skipped, n_bins), axis=0)).max())


def _predictions(listener: LoggedListener, train: Plays, test: Plays) -> pd.DataFrame:
    rate = train.skipped.mean()
    by_position = pd.Series(train.skipped).groupby(train.place).mean()
    rows = {
        "constant rate": np.full(len(test.place), rate),
        "position": by_position.reindex(test.place).fillna(rate).to_numpy(np.float64),
    }
    models = {
        "logistic regression": LogisticRegression(max_iter=1000),
        "gradient boosting": HistGradientBoostingClassifier(max_iter=150, random_state=0),
    }
    known, asked = (_known(part) for part in (train, test))
    for name, model in models.items():
        rows[name] = model.fit(known, train.skipped).predict_proba(asked)[:, 1]
    rows["this listener"] = predict(listener, test)
    measures = {"log-loss": log_loss, "AUC": roc_auc_score}
    table = pd.DataFrame(
        {
            name: [*(of(test.skipped, p) for of in measures.values()), worst_bin(p, test.skipped)]
            for name, p in rows.items()
        },
        pd.Index([*measures, "worst bin"], name="measure"),
    )
    boosted, own = table["gradient boosting"], table["this listener"]
    chances = [np.where(test.skipped, p, 1 - p) for p in (rows["gradient boosting"], rows["this listener"])]
    worse = -np.diff(np.log(np.clip(chances, 1e-15, 1)), axis=0)[0]
    n_skipped, n_plays = test.skipped.sum(), len(test.skipped)
    judged = [  # difference, tolerance, standard error
        (worse.mean(), _CLOSE, worse.std() / n_plays**0.5),
        (boosted["AUC"] - own["AUC"], _CLOSE, (n_plays / (12 * n_skipped * (n_plays - n_skipped))) ** 0.5),
        (own["worst bin"], _CALIBRATED, 0.5 / (n_plays / 10) ** 0.5),
    ]
    return table.assign(verdict=[_verdict(*numbers) for numbers in judged]).reset_index()


def _verdict(off: float, allowed: float, error: float) -> str:
    return PASS if off <= allowed else FAIL if off > allowed + 2 * error else UNSURE


def _known(plays: Plays) -> Floats:
    """Return the information of the listener about each play as input features for other models, (n, k)."""
    own = plays.design(20)[:, :-N_CROSSED].toarray()
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
    """Simulate the listener on the tracks of the log; after the end of a session, with tracks of other ones."""
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
        yield "influence of sound: no track of the log has features (--catalogue), so taste_weight is not tested"
    elif listener.regard == "taste":
        yield "taste_weight: a log shows the cosine to the vibe, but this listener has a hidden taste"
    if log.started is None:
        yield "how plays were started: the log has no hist_user_behavior_reason_start"
    if not test.again.any():
        yield "repeats: no track plays twice in a session"
    if not log.ended.any():
        yield "leaving: no session ends before the log does"
    elif lengths.min() > 1:
        yield f"leaving before play {lengths.min()}: no session in the log is shorter; the rate of later plays is used"
    yield f"what comes after play {lengths.max()}, where the longest sessions end or are cut"
    yield "how listeners would respond to other tracks than the logged ones, which a recommender chose"
    if log.propensity is None:
        yield "whether it ranks recommenders as listeners do: that needs the propensity of each play"
    else:
        yield "whether it ranks recommenders as listeners do: `python -m experiments.ope --log` tests it, in a checkout"


def _words(listener: LoggedListener) -> Iterator[str]:
    """Yield sentences about the log that the listener was fitted to, and about its regard for sound."""
    if listener.fitted is None:
        yield "This listener was never fitted to a log."
        return
    facts = dict(listener.fitted)
    yield (
        f"Fitted to {facts.get('sessions', '?')} sessions, {facts.get('plays', '?')} plays; a skip is "
        f"{facts.get('skip', '?')}; the share of plays with track features is {facts.get('joined', 0)}."
    )
    if "preferred_by" in facts:
        means = "mean of the last five tracks heard", "decayed mean of all tracks heard, .8 per track"
        one, other = means[:: 1 if listener.regard == "vibe" else -1]
        yield (
            f"Similarity of sound is the cosine to the {one}: it fits the log better than the {other}, by "
            f"{facts['preferred_by']} in log-likelihood."
        )


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    return table.map(lambda value: f"{value:.3f}" if isinstance(value, float) else str(value))
