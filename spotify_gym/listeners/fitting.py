"""Fit a listener to a log of plays by penalised likelihood, and predict the skips of a log with one.

The mood at the start of a session is hidden, normal, and integrated out by Gauss-Hermite quadrature; its later changes
follow from the log. So the likelihood of :class:`~spotify_gym.listeners.LoggedListener` is exact, except for the spread
of the regard for sound, which is estimated afterwards by maximum likelihood with all else fixed. The vibe is the mean
of the last five tracks heard or the decayed mean of all, whichever gives the higher likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.sparse import csr_array, hstack
from scipy.special import expit, log_expit, logsumexp, softmax

from spotify_gym.catalogue import Catalogue
from spotify_gym.listeners.logged import GRADES, STARTS, LoggedListener
from spotify_gym.listeners.plays import N_CROSSED, N_LAGGED, N_OTHER, Plays
from spotify_gym.listeners.skip_log import FLAGS, LogError, SkipLog
from spotify_gym.listeners.skipping import MEMORY, SkippingListener

Floats = NDArray[np.float64]
Intervals = dict[str, tuple[float, ...]]  # by parameter: its value, the lower and the upper end

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_LOG_WEIGHTS = np.log(_WEIGHTS / _WEIGHTS.sum())
# Standard deviations of the normal priors, in log-odds.
_PRIORS = {"first": 3.0, "step": 0.3, "other": 1.0, "crossed": 0.3}
_DECAY = (1.7, 1.0)  # mean and standard deviation of the prior of the logit of the mood decay; its median is .85
_SETTLED = 0.3  # largest gradient along any axis at convergence; about as many standard errors from the maximum
_N_POSITIONS = 20
_FEWEST = 50  # sessions


def predict(listener: LoggedListener, plays: Plays) -> Floats:
    """Return the probability of a skip of each play given the plays before it in its session, (n,).

    The posterior of the mood is updated play by play.
    """
    at_mood = _log_odds(listener, plays)
    own = log_expit(np.where(plays.skipped, 1, -1)[:, None] * at_mood)
    before = np.cumsum(own, axis=0) - own
    before -= np.repeat(before[plays.first], np.diff(plays.first, append=len(before)), axis=0)
    probability: Floats = np.sum(softmax(before + _LOG_WEIGHTS, axis=1) * expit(at_mood), axis=1)
    return probability


def fit(
    log: SkipLog, catalogue: Catalogue | None = None, skip: Literal["skip_1", "skip_2", "skip_3"] = "skip_2"
) -> LoggedListener:
    """Fit a listener to a log; its `fitted` describes the log and gives 95 % confidence intervals.

    Args:
        log: independent sessions; the tracks are indices of the catalogue if one is given.
        catalogue: source of the features of the tracks; None: sound is left out.
        skip: how early a track must be left to count as skipped.

    Raises:
        LogError: there are too few sessions, or all or none of the plays are skipped.
        RuntimeError: the optimisation did not converge.
    """
    plays = Plays(log, 3 - FLAGS.index(skip), catalogue)
    if len(log) < _FEWEST:
        raise LogError(f"the log has {len(log)} sessions; a fit needs {_FEWEST} or more")
    if plays.skipped.all() or not plays.skipped.any():
        many = "every play is a skip" if plays.skipped[0] else "no play is a skip"
        raise LogError(
            f"{skip} is {plays.skipped[0]} in every row, {many}; if the log grades skips, try another --skip"
        )
    n_positions = min(_N_POSITIONS, log.grade.shape[1])
    ways = [plays, replace(plays, decayed=True)] if plays.cosine.any() else [plays]
    found = [_maximum(way, n_positions) for way in ways]
    plays, best = min(zip(ways, found, strict=True), key=lambda pair: pair[1].loss)
    effects, errors, crossed = _in_words(best, n_positions)
    names, is_known = _names(plays, n_positions)
    intervals: Intervals = {
        name: (value, value - margin, value + margin)
        for name, known, value, margin in zip(names, is_known, effects, 1.96 * errors, strict=True)
        if known
    }
    listener = replace(_listener_of(plays, n_positions, effects, crossed), leave=_leave(plays, intervals))
    spread = _spread(listener, plays, intervals)
    lengths = log.played.sum(axis=1)
    facts: dict[str, Any] = {
        "sessions": len(log),
        "plays": log.n_plays,
        "skip": skip,
        "shortest": int(lengths.min()),
        "longest": int(lengths.max()),
        "joined": round(float((log.tracks[log.played] >= 0).mean()) if catalogue is not None else 0.0, 4),
        "intervals": {name: [round(float(number), 4) for number in told] for name, told in intervals.items()},
    }
    if len(ways) > 1:
        facts["preferred_by"] = round(abs(found[0].loss - found[1].loss), 2)
    return replace(listener, taste_spread=spread, fitted=facts)


def as_logged(listener: Any) -> LoggedListener:
    """Return the logged listener that responds like a skipping listener; a logged listener is returned unchanged.

    Raises:
        ValueError: the listener is neither.
    """
    if isinstance(listener, LoggedListener):
        return listener
    if not isinstance(listener, SkippingListener):
        raise ValueError(f"{type(listener).__name__} never skips; a report needs a logged or a skipping listener")
    last, recent = listener.last_skip + listener.recent_skips, listener.recent_skips
    return LoggedListener(
        position=listener.position,
        left=((0.0, last, last), *2 * ((0.0, recent, recent),)),
        mood_sd=listener.mood_sd,
        mood_decay=1.0,
        mood_shift=(0.0, 0.0, 0.0),
        taste_weight=listener.taste_weight,
        taste_spread=0.0,
        start_pool=listener.start_pool,
    )


def _log_odds(listener: LoggedListener, plays: Plays) -> Floats:
    """Return the log-odds of a skip for each play and each quadrature node of the initial mood, (n, Q)."""
    effects = np.r_[np.diff(listener.position, prepend=0.0), np.ravel(listener.left), listener.started, listener.again]
    regard = 0.0 if listener.regard == "taste" else listener.taste_weight
    crossed = listener.together or np.zeros(64), listener.started_after or np.zeros(12)
    fixed = plays.design(len(listener.position)) @ np.r_[effects, -regard, *crossed]
    fixed += plays.traces(listener.mood_decay)[0] @ listener.mood_shift
    at_mood: Floats = fixed[:, None] + listener.mood_sd * listener.mood_decay ** plays.place[:, None] * _NODES
    return at_mood


class _Maximum(NamedTuple):
    theta: Floats
    """Coefficients of the design, shifts of the mood, its standard deviation, the logit of its decay."""
    loss: float
    """Penalised negative log-likelihood."""
    covariance: Callable[[], Floats]
    """Computes the covariance of theta, which takes longer than the optimisation."""


def _maximum(plays: Plays, n_positions: int) -> _Maximum:
    """Return the maximum of the penalised likelihood; coefficients of empty columns stay at 0.

    The optimisation is preconditioned by the information matrix of a logistic regression, so that it converges quickly.
    """
    x = plays.design(n_positions)
    spreads = np.repeat(list(_PRIORS.values()), (1, n_positions - 1, N_OTHER, N_CROSSED))
    used = np.r_[abs(x).sum(axis=0) > 0, np.ones(5, np.bool_)]
    spreads = np.r_[spreads, 4 * [_PRIORS["other"]], _DECAY[1]][used]
    x = x[:, used[:-5]]
    precision, centre = spreads**-2.0, np.r_[np.zeros(len(spreads) - 1), _DECAY[0]]
    linear = hstack([x, csr_array(plays.traces(float(expit(_DECAY[0])))[0])])
    information = np.diag(precision + np.r_[np.zeros(linear.shape[1]), len(plays.first) / 4, len(plays.first) / 16])
    information[: linear.shape[1], : linear.shape[1]] += (linear.T @ linear).toarray() / 5
    axes = np.linalg.inv(np.linalg.cholesky(information)).T
    start = centre + 0.5 * (np.arange(len(centre)) == len(centre) - 2)
    known: dict[float, tuple[Floats, Floats]] = {}

    def loss(z: Floats) -> tuple[float, Floats]:
        theta = start + axes @ z
        decay = float(expit(theta[-1]))
        if decay not in known:
            known.clear()
            known[decay] = plays.traces(decay)
        value, gradient = _negative_log_likelihood(theta, x, *known[decay], plays)
        away = theta - centre
        return value + 0.5 * float(precision @ away**2), axes.T @ (gradient + precision * away)

    found = minimize(loss, np.zeros(len(start)), jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-8})
    step, there = 1e-3, loss(found.x)[1]
    if np.abs(there).max() > _SETTLED:
        raise RuntimeError(f"fit did not converge: {found.message}")
    theta = np.zeros(len(used))
    theta[used] = start + axes @ found.x

    def covariance() -> Floats:
        hessian = np.stack([(loss(found.x + e)[1] - there) / step for e in step * np.eye(len(start))])
        whole = np.zeros(2 * (len(used),))
        whole[np.ix_(used, used)] = axes @ np.linalg.pinv((hessian + hessian.T) / 2, hermitian=True) @ axes.T
        return whole

    return _Maximum(theta, float(found.fun), covariance)


def _negative_log_likelihood(
    theta: Floats, x: csr_array, trace: Floats, slope: Floats, plays: Plays
) -> tuple[float, Floats]:
    """Return the negative log-likelihood of all sessions, with the moods integrated out, and its gradient."""
    effects, shift, (mood_sd, logit) = np.split(theta, [x.shape[1], x.shape[1] + 3])
    decay = float(expit(logit))
    power = decay**plays.place
    sign = np.where(plays.skipped, 1.0, -1.0)[:, None]
    at_mood = (x @ effects + trace @ shift)[:, None] + (mood_sd * power)[:, None] * _NODES
    likelihood = expit(sign * at_mood)
    joint = np.add.reduceat(np.log(np.maximum(likelihood, 1e-300)), plays.first, axis=0) + _LOG_WEIGHTS  # (S, Q)
    top = joint.max(axis=1)
    evidence = top + np.log(np.exp(joint - top[:, None]).sum(axis=1))
    posterior = np.exp(joint - evidence[:, None])[plays.session]
    residual = sign * (1 - likelihood) * posterior
    by_play, by_node = residual.sum(axis=1), residual @ _NODES
    of_power = by_node * plays.place * decay ** np.maximum(plays.place - 1, 0)
    of_decay = by_play @ (slope @ shift) + mood_sd * of_power.sum()
    gradient = np.r_[by_play @ x, by_play @ trace, by_node @ power, of_decay * decay * (1 - decay)]
    return -float(evidence.sum()), -gradient


def _in_words(found: _Maximum, n_positions: int) -> tuple[Floats, Floats, Floats]:
    """Convert theta to the parameters of a listener: steps to positions, signs of regard and spread, logit to decay.

    Returns:
        The parameters without the interactions, their standard errors, and the interactions.
    """
    crossed = n_positions + N_OTHER + np.arange(N_CROSSED)
    own = np.delete(np.arange(len(found.theta)), crossed)
    turn = np.eye(len(own))
    turn[:n_positions, :n_positions] = np.tri(n_positions)
    regard = n_positions + N_OTHER - 1
    turn[regard, regard] = -1
    decay = float(expit(found.theta[-1]))
    values = turn @ found.theta[own]
    values[-2], values[-1] = abs(values[-2]), decay
    turn[-1, -1] = decay * (1 - decay)
    errors = np.sqrt(np.maximum(np.diag(turn @ found.covariance()[np.ix_(own, own)] @ turn.T), 0))
    return values, errors, found.theta[crossed]


def _names(plays: Plays, n_positions: int) -> tuple[list[str], list[bool]]:
    """Return the names of the parameters of the listener, and whether the log has information about each."""
    lags = ("last track", "the one before", "the one before that")
    left = [f"{lag} {grade}" for lag in lags for grade in GRADES[1:]]
    names = [f"position {i}" for i in range(1, n_positions + 1)] + left
    names += [f"started: {start}" for start in STARTS[1:]] + ["again", "taste_weight"]
    names += [f"mood after {grade}" for grade in GRADES[1:]] + ["mood_sd", "mood_decay"]
    grades = [bool((plays.grade == grade).any()) for grade in (1, 2, 3)]
    started = [bool((plays.started == kind).any()) for kind in (1, 2, 3)]
    rest = [bool(plays.again.any()), bool(plays.cosine.any())]
    return names, [*n_positions * [True], *MEMORY * grades, *started, *rest, *grades, True, True]


def _listener_of(plays: Plays, n_positions: int, effects: Floats, crossed: Floats) -> LoggedListener:
    """Return the listener with the parameters from `_in_words`, which do not include `leave`."""
    position, left, started, rest = np.split(effects, np.cumsum([n_positions, N_LAGGED, 3]))
    again, weight, *shift, mood_sd, decay = map(float, rest)
    return LoggedListener(
        position=tuple(position.tolist()),
        left=tuple(map(tuple, left.reshape(MEMORY, 3).tolist())),
        mood_sd=mood_sd,
        mood_decay=decay,
        mood_shift=tuple(shift),
        started=tuple(started.tolist()),
        again=again,
        taste_weight=weight,
        together=tuple(crossed[:64].tolist()),
        started_after=tuple(crossed[64:].tolist()) if crossed[64:].any() else (),
        taste_spread=0.0,
        regard="decayed" if plays.decayed else "vibe",
        grades=_shares(plays, plays.grade, plays.skip_from),
        starts=LoggedListener.starts if plays.log.started is None else _shares(plays, plays.started, 4),
        skip_from=plays.skip_from,
    )


def _leave(plays: Plays, intervals: Intervals) -> tuple[float, ...]:
    """Return the log-odds of leaving after a track that was not skipped, and after one that was.

    Counted over the plays after which an end could be observed: from the length of the shortest ended session on,
    without the last plays of sessions whose end is not in the log.
    """
    lengths = plays.log.played.sum(axis=1)
    if not plays.log.ended.any():
        return LoggedListener.leave
    shortest = lengths[plays.log.ended].min()
    number = plays.place + 1
    is_last = (number == lengths[plays.session]) & plays.log.ended[plays.session]
    at_risk = (number >= shortest) & (is_last | (number < lengths[plays.session]))
    found = []
    for name, where in (("not skipped", ~plays.skipped), ("skipped", plays.skipped)):
        left, stayed = (float((at_risk & where & those).sum()) + 0.5 for those in (is_last, ~is_last))
        value, margin = float(np.log(left / stayed)), 1.96 * (1 / left + 1 / stayed) ** 0.5
        intervals[f"leaving after a track {name}"] = value, value - margin, value + margin
        found.append(value)
    return tuple(found)


def _shares(plays: Plays, what: NDArray[np.int64], cut: int) -> tuple[tuple[float, ...], ...]:
    """Return the frequencies of 0 to 3 by last grade, none first; those below the cut, and the others, sum to 1.

    Every row is smoothed by five pseudo-counts with the frequencies over all rows.
    """
    table = np.zeros((5, 4))
    np.add.at(table, (plays.last[:, 0] + 1, what), 1)
    table += 5 * (table.sum(axis=0) + 1e-3) / (table.sum() + 4e-3)
    for side in (slice(0, cut), slice(cut, 4)):
        table[:, side] /= np.maximum(table[:, side].sum(axis=1, keepdims=True), 1e-300)
    return tuple(map(tuple, table.tolist()))


def _spread(listener: LoggedListener, plays: Plays, intervals: Intervals) -> float:
    """Return the maximum likelihood estimate of the standard deviation of the regard for sound between people, 0 to 5.

    All other parameters are fixed; the regard of a person is normal, and integrated out. The interval is that of the
    likelihood ratio test.
    """
    if not plays.cosine.any():
        return 0.0
    at_mood, sign = _log_odds(listener, plays), np.where(plays.skipped, 1, -1)[:, None]
    people, person = np.unique(plays.log.person.astype(str), return_inverse=True)
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)

    def less_likely(spread: float) -> float:
        likely = np.zeros((len(people), len(nodes)))
        for j, away in enumerate(spread * nodes):
            own = log_expit(sign * (at_mood - away * plays.cosine[:, None]))
            of_session = logsumexp(np.add.reduceat(own, plays.first, axis=0) + _LOG_WEIGHTS, axis=1)
            likely[:, j] = np.bincount(person, of_session, len(people))
        return -float(logsumexp(likely + np.log(weights / weights.sum()), axis=1).sum())

    best = minimize_scalar(less_likely, bounds=(0, 5), method="bounded", options={"xatol": 0.01})
    spread, least = float(best.x), float(best.fun) + 1.92
    ends = [
        edge if less_likely(edge) < least else brentq(lambda s: less_likely(s) - least, spread, edge, xtol=0.01)
        for edge in (0.0, 5.0)
    ]
    intervals["taste_spread"] = spread, *ends
    return spread
