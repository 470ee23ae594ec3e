"""Do predicted probabilities of a skip come true: loss, table and picture, on sessions held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from experiments.skips.log import Bools, SkipLog
from experiments.skips.model import SkipModel, fit_without_mood

Floats = NDArray[np.float64]


def losses(model: SkipModel, train: SkipLog, test: SkipLog) -> pd.DataFrame:
    """Return the log-loss per play on `test` of the model and of two that know less, fitted to `train`."""
    skipped = test.skipped[test.played]
    rate = train.skipped[train.played].mean()
    predictions = {
        "one rate for all plays": np.full(len(skipped), rate),
        "position and last responses": fit_without_mood(train, model.n_positions).predict(test)[test.played],
        "position, last responses and mood": model.predict(test)[test.played],
    }
    return pd.DataFrame(
        {"prediction": list(predictions), "log-loss": [log_loss(skipped, p) for p in predictions.values()]}
    )


def calibration_table(probability: Floats, skipped: Bools, n_bins: int = 10) -> pd.DataFrame:
    """Return mean prediction and observed rate in bins of equally many plays, (n_bins rows), ordered by prediction.

    Args:
        probability: (n,) of a skip.
        skipped: (n,) whether it came.
        n_bins: at most n.
    """
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, n_bins) if len(part)]
    return pd.DataFrame(
        {
            "plays": [len(part) for part in parts],
            "predicted": [probability[part].mean() for part in parts],
            "skipped": [skipped[part].mean() for part in parts],
        }
    )


def draw_calibration(table: pd.DataFrame, path: Path) -> None:
    """Draw the table of :func:`calibration_table`: on the diagonal, predictions come true.

    The bars are two standard errors of the observed rate, were plays independent.
    """
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="predictions that come true")
    error = 2 * np.sqrt(table["skipped"] * (1 - table["skipped"]) / table["plays"])
    axes.errorbar(table["predicted"], table["skipped"], yerr=error, fmt="o", markersize=4, capsize=2, label="held-out")
    axes.set(
        xlabel="predicted probability of a skip",
        ylabel="share of plays skipped",
        title="Calibration on held-out sessions",
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
    )
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=150)
