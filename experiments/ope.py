"""Accuracy of off-policy evaluation: `python -m experiments.ope --catalogue TABLE`.

Sessions are logged by an ε-greedy policy that plays the track nearest to the vibe, or a random one with probability ε.
The estimated values of policies with other ε are compared with their true values from rollouts: bias, spread and
coverage of each estimator, by number of sessions and distance of the policies.

With `--log`, recommenders that prefer tracks near to the vibe, or far from it, are evaluated on a log of your own that
has propensities. With `--listener`, their returns with that listener are shown too, and whether both agree on the
order of the recommenders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from experiments.lib import main
from experiments.lib.plots import caption, figure, styles
from experiments.lib.report import show, write
from experiments.logged.behaviour import MixedPolicy
from spotify_gym import evaluation
from spotify_gym.catalogue import Catalogue, as_catalogue, units_of
from spotify_gym.cli.command import Command
from spotify_gym.listeners import as_listener
from spotify_gym.listeners.facts import Recommender, simulate
from spotify_gym.listeners.logged import SHOWN
from spotify_gym.listeners.plays import Plays, VibeOf, features_of
from spotify_gym.listeners.skip_log import LogError, read_log
from spotify_gym.policies import POLICIES
from spotify_gym.session import SpotifyVectorEnv

Floats = NDArray[np.floating]
Context = tuple[NDArray[np.bool_], Floats]

_AT_ONCE = 2**24  # numbers in memory at once
_SIMULATED = 2000  # simulated sessions per recommender


@dataclass(frozen=True, eq=False)
class Logged:
    """S logged sessions of up to T steps, prepared for the evaluation of one target policy."""

    rewards: Floats
    """(S, T), 0 after the end."""
    ratios: Floats
    """(S, T), 1 after the end."""
    features: Floats
    """(S, T, k) features of state and action, 0 after the end."""
    expected: Floats
    """(S, T, k) expected features under the target policy, 0 after the end."""

    def take(self, rows: NDArray[np.int64]) -> Logged:
        """Return some of the sessions."""
        return Logged(self.rewards[rows], self.ratios[rows], self.features[rows], self.expected[rows])

    def estimates(self) -> dict[str, evaluation.Estimate]:
        """Return the estimates of all estimators; doubly robust uses models cross-fitted on the two halves."""
        fitted, _ = evaluation.fitted_q_evaluation(self.rewards, self.features, self.expected)
        q, v = np.empty_like(self.rewards), np.empty_like(self.rewards)
        halves = np.arange(len(self.rewards)) % 2 == 0
        for half in (halves, ~halves):
            other = self.take(np.flatnonzero(~half))
            _, weights = evaluation.fitted_q_evaluation(other.rewards, other.features, other.expected)
            q[half], v[half] = self.features[half] @ weights, self.expected[half] @ weights
        return {
            "IPS": evaluation.ips(self.rewards, self.ratios),
            "SNIPS": evaluation.snips(self.rewards, self.ratios),
            "per-decision IPS": evaluation.per_decision_ips(self.rewards, self.ratios),
            "doubly robust": evaluation.doubly_robust(self.rewards, self.ratios, q, v),
            "fitted Q": fitted,
        }


@dataclass(frozen=True)
class Ope(Command):
    """Compare off-policy estimates with true values, or evaluate recommenders on a log with propensities."""

    catalogue: str = "builtin"
    """Tracks to play: "builtin", "builtin:26000", a table or a prepared .arrow; with --log, the tracks of the log."""
    env: str = "SpotifyLogged-v0"
    """Id of the environment."""
    steps: int = 10
    """Tracks per session."""
    epsilon: float = 0.5
    """Probability of a random track, of the policy that plays the log."""
    judged: tuple[float, ...] = (0.5, 0.4, 0.25, 0.1)
    """The same for the policies to evaluate; the further from --epsilon, the harder."""
    sizes: tuple[int, ...] = (100, 400, 1600)
    """Log sizes [sessions]."""
    n_logs: int = 40
    """Logs per size, as far as --n-sessions allows."""
    n_sessions: int = 16_000
    """Sessions to log, and to play with each policy for its true value."""
    log: Path | None = None
    """Evaluate on this log instead, with columns session, position, track, response, propensity."""
    pulls: tuple[float, ...] = (-2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
    """With --log: recommenders play a track with probability proportional to exp(pull · cosine to the vibe)."""
    listener: str | None = None
    """With --log: a listener's JSON file, whose order of the recommenders is compared with that of the log."""
    out: Path = Path("results/ope")
    """Folder of the results."""

    def run(self) -> None:
        """Estimate, print the table, and write the report."""
        if not 0 < self.epsilon <= 1 or not all(0 <= one <= 1 for one in self.judged):
            raise ValueError(f"epsilon={self.epsilon} must be above 0 and up to 1, judged={self.judged} from 0 to 1")
        if self.steps < 1 or self.n_logs < 2 or not self.sizes or not 4 <= min(self.sizes) <= self.n_sessions // 2:
            raise ValueError(f"sizes={self.sizes} must be from 4 to half of n_sessions={self.n_sessions}")
        self.out.mkdir(parents=True, exist_ok=True)
        self._judge_log(self.log) if self.log is not None else self._judge_estimators()

    def _judge_estimators(self) -> None:
        env: Any = gym.make_vec(self.env, self.n_sessions, catalogue=self.catalogue, max_episode_steps=self.steps)
        logged = play(env, self.epsilon, self.judged, seed=0)
        rows = []
        for number, (epsilon, sessions) in enumerate(logged.items(), start=1):
            truth = float(next(iter(play(env, epsilon, (), seed=number).values())).rewards.sum(axis=1).mean())
            rows += [{"judged": epsilon, "truth": truth, **row} for row in self._tried(sessions)]
        results = pd.DataFrame(rows)
        results.to_csv(self.out / "estimates.csv", index=False)
        table = summary(results)
        _draw(table, self.out / "ope.png")
        title = f"{self.env}, {self.steps} steps, played with ε = {self.epsilon:g}, {len(env.catalogue):,} tracks"
        self._report(title, table, ["Coverage: the share of 95 % intervals that hold the true value."])

    def _tried(self, sessions: Logged) -> Iterator[dict[str, Any]]:
        order = np.random.default_rng(0).permutation(self.n_sessions)
        for size in self.sizes:
            for rows in np.split(order[: self.n_sessions // size * size], self.n_sessions // size)[: self.n_logs]:
                part = sessions.take(rows)
                worth = evaluation.effective_sessions(part.ratios)
                for name, estimate in part.estimates().items():
                    yield {"sessions": size, "estimator": name, "worth": worth, **estimate._asdict()}

    def _judge_log(self, path: Path) -> None:
        catalogue = as_catalogue(self.catalogue)
        judged = from_log(path, catalogue, self.pulls)
        rows, values = [], []
        for pull, sessions in judged.items():
            found = sessions.estimates()
            texts = {name: f"{e.value:.2f} ({e.low:.2f} to {e.high:.2f})" for name, e in found.items()}
            weights = {
                "mean weight": f"{np.prod(sessions.ratios, axis=1).mean():.2f}",
                "worth": f"{evaluation.effective_sessions(sessions.ratios):.0f}",
            }
            rows.append({"pull": f"{pull:g}", **weights, **texts})
            values.append(found["doubly robust"])
        said = [
            f"{len(sessions.rewards)} sessions of {path.name}; values are tracks not skipped in a session.",
            "The mean weight is 1 where the propensities are right and of the same tracks.",
            "Worth: the effective number of sessions.",
        ]
        if self.listener is not None:
            n_plays = sessions.rewards.shape[1]
            simulated = [_simulated(self.listener, catalogue, pull, n_plays) for pull in self.pulls]
            rows = [{**row, "simulated": f"{value:.2f}"} for row, value in zip(rows, simulated, strict=True)]
            said.append(_order(values, simulated))
        self._report(f"Recommenders judged by {path.name}", pd.DataFrame(rows), said)

    def _report(self, title: str, table: pd.DataFrame, said: list[str]) -> None:
        show(title, table)
        print("\n".join(said))
        print(f"report: {write(self.out, [(title, table)], {'How to read it': said})}")


def play(env: SpotifyVectorEnv, epsilon: float, judged: tuple[float, ...], seed: int) -> Mapping[float, Logged]:
    """Play one session per slot with an ε-greedy policy, and prepare the log for each target policy.

    Args:
        env: vector environment of S sessions.
        epsilon: ε of the policy that plays.
        judged: ε of each target policy; empty to evaluate the policy that plays.
        seed: seed of the sessions and of the policy.
    """
    base = "nearest" if POLICIES["nearest-seen"].lacks(env.dynamics) else "nearest-seen"
    policy, epsilons = MixedPolicy(env, base, epsilon, seed), np.array(judged or (epsilon,))[:, None]  # (P, 1)
    (mean, covariance), listener = env.catalogue.unit_moments, env.dynamics.listener
    env.reset(seed=1_000_003 * seed)
    going, length = np.ones(env.num_envs, np.bool_), env.max_episode_steps or 0
    rewards: list[Floats] = []
    features: list[Floats] = []
    ratios: list[Floats] = []
    expected: list[Floats] = []
    for t in range(length):
        tracks, sessions = policy.choose(env.sessions), env.sessions
        seen = None if listener is None else listener.visible(sessions.listener)
        shown = np.zeros((env.num_envs, 0)) if seen is None else seen
        place = np.tile(np.arange(length) == t, (env.num_envs, 1))
        context: Context = place, np.column_stack([sum(rewards) + np.zeros(env.num_envs), shown])
        vibe = units_of(sessions.vibe)
        square = np.einsum("bd,de,be->b", vibe, covariance, vibe) + (vibe @ mean) ** 2
        best, taken = (
            np.einsum("bd,bd->b", vibe, units_of(env.catalogue.features[these])) for these in (policy.chosen, tracks)
        )
        chosen, anything = _described(context, best, best**2), _described(context, vibe @ mean, square)
        likely = policy.probability(sessions, tracks, epsilons) / policy.propensity  # (P, S)
        alive = going[:, None].astype(np.float64)
        _, reward, terminated, truncated, _ = env.step(tracks)
        rewards.append(going * reward)
        features.append(alive * _described(context, taken, taken**2))
        ratios.append(np.where(going, likely, 1.0))
        expected.append(alive * ((1 - epsilons[..., None]) * chosen + epsilons[..., None] * anything))
        going = going & ~terminated & ~truncated
    earned, done = np.stack(rewards, axis=1), np.stack(features, axis=1)
    of_policies = zip(judged or (epsilon,), np.stack(ratios, axis=2), np.stack(expected, axis=2), strict=True)
    return {one: Logged(earned, ratio, done, later) for one, ratio, later in of_policies}


def from_log(path: Path, catalogue: Catalogue, pulls: tuple[float, ...]) -> Mapping[float, Logged]:
    """Read a log with propensities, and prepare it for the recommender of each pull.

    Raises:
        LogError: the log has no propensities, or fewer than 10 sessions whose tracks are all in the catalogue.
    """
    log = read_log(path)
    if log.propensity is None:
        raise LogError(f"{path} has no column propensity: the probability with which each track was chosen")
    log = log.joined(catalogue)
    log = log.take(np.flatnonzero(((log.tracks >= 0) | ~log.played).all(axis=1)))
    if len(log) < 10:
        raise LogError(f"{path} has {len(log)} sessions whose tracks are all in {catalogue.source}; 10 are needed")
    assert log.propensity is not None
    plays = Plays(log, 2, catalogue)
    shape = (len(log), log.grade.shape[1])
    moments = np.zeros((len(pulls), *shape, 3))  # normaliser, expected cosine and square
    vibe = VibeOf(len(log), catalogue.features.shape[1])
    for t in range(shape[1]):
        moments[:, :, t] = _moments(catalogue, vibe.direction, pulls)
        vibe.move(features_of(catalogue, log.tracks[:, t]), (log.grade[:, t] >= 0) & (log.grade[:, t] < 2))
    rewards = np.where(log.played, log.grade < 2, 0).astype(np.float64)
    so_far = (np.cumsum(rewards, axis=1) - rewards)[log.played]
    place = plays.place[:, None] == np.arange(shape[1])
    context: Context = place, np.column_stack([so_far, SHOWN[plays.last[:, ::-1]]])
    features = _laid_out(log.played, _described(context, plays.cosine, plays.cosine**2))
    judged = {}
    for pull, found in zip(pulls, moments, strict=True):
        normaliser, cosine, square = found[log.played].T
        ratio = np.ones(shape)
        ratio[log.played] = np.exp(pull * plays.cosine) / normaliser / log.propensity[log.played]
        judged[pull] = Logged(rewards, ratio, features, _laid_out(log.played, _described(context, cosine, square)))
    return judged


def recommender(catalogue: Catalogue, pull: float) -> Recommender:
    """Return a recommender that plays a track with probability proportional to exp(pull · cosine to the vibe)."""

    def choose(vibe: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
        tracks = np.empty(len(vibe), np.int64)
        for part in _parts(len(vibe), len(catalogue)):
            scores = pull * (vibe[part] @ catalogue.unit_features.T)
            tracks[part] = (scores + rng.gumbel(size=scores.shape).astype(np.float32)).argmax(axis=1)
        return tracks

    return choose


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Return bias, spread and coverage of each estimator, as texts, for each log size and target policy."""
    rows = []
    for (judged, size, name), found in results.groupby(["judged", "sessions", "estimator"], sort=False):
        truth, low, high, value = (found[name].to_numpy(np.float64) for name in ("truth", "low", "high", "value"))
        inside, off = (low <= truth) & (truth <= high), value - truth
        error = float(np.sqrt((off**2).mean()))
        numbers = {"truth": truth[0], "bias": off.mean(), "spread": off.std(ddof=1), "error": error}
        texts = {column: f"{number:.3f}" for column, number in numbers.items()}
        more = {"coverage": f"{inside.mean():.2f}", "logs": str(len(found)), "worth": f"{found['worth'].mean():.0f}"}
        rows.append({"judged ε": f"{judged:g}", "sessions": str(size), "estimator": name, **texts, **more})
    return pd.DataFrame(rows)


def _moments(catalogue: Catalogue, vibe: NDArray[np.float32], pulls: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the sum of exp(pull · cosine) over all tracks and the expected cosine and square, (P, B, 3)."""
    found = np.empty((len(pulls), len(vibe), 3))
    for part in _parts(len(vibe), len(catalogue)):
        cosine = vibe[part] @ catalogue.unit_features.T
        for pull, into in zip(pulls, found, strict=True):
            weights = np.exp(np.float32(pull) * cosine)
            total = weights.sum(axis=1, dtype=np.float64)
            into[part, 0] = total
            into[part, 1] = np.einsum("bn,bn->b", weights, cosine) / total
            into[part, 2] = np.einsum("bn,bn,bn->b", weights, cosine, cosine) / total
    return found


def _parts(n_rows: int, n_tracks: int) -> list[slice]:
    """Split rows into parts for which a number per track fits into memory."""
    at_once = max(1, _AT_ONCE // n_tracks)
    return [slice(start, start + at_once) for start in range(0, n_rows, at_once)]


def _described(context: Context, cosine: Floats, square: Floats) -> Floats:
    """Return features of state and action, (B, k): one-hot place, and observed numbers crossed with a quadratic.

    Args:
        context: one-hot places, (B, T), and numbers observed in the sessions, (B, m).
        cosine: (B,) cosine of the track to the vibe, in which the quadratic is.
        square: (B,) the squared cosine, or its expectation.
    """
    place, seen = context
    sound = np.column_stack([cosine, square, np.ones(len(cosine))])
    crossed = np.einsum("bc,bs->bcs", np.column_stack([seen, np.ones(len(seen))]), sound).reshape(len(seen), -1)
    return np.column_stack([place, crossed[:, :-1]])


def _laid_out(played: NDArray[np.bool_], values: Floats) -> Floats:
    laid_out = np.zeros((*played.shape, values.shape[1]))
    laid_out[played] = values
    return laid_out


def _simulated(listener: str, catalogue: Catalogue, pull: float, n_plays: int) -> float:
    person = as_listener(listener)
    assert person is not None  # it has a name
    log, _ = simulate(person, catalogue, _SIMULATED, n_plays, tracks=recommender(catalogue, pull))
    return float(((log.grade >= 0) & (log.grade < 2)).sum(axis=1).mean())


def _order(values: list[evaluation.Estimate], simulated: list[float]) -> str:
    """Return a sentence with the rank correlation between log and listener, and its interval by resampled values."""
    rng, spread = np.random.default_rng(0), np.array([(e.high - e.low) / 3.92 for e in values])
    drawn = np.array([e.value for e in values]) + spread * rng.standard_normal((400, len(values)))
    ranks = [spearmanr(row, simulated).statistic for row in drawn]
    here = spearmanr([e.value for e in values], simulated).statistic
    low, high = np.quantile(ranks, (0.025, 0.975))
    return f"Rank correlation of doubly robust values and the listener's: {here:.2f} ({low:.2f} to {high:.2f})."


def _draw(table: pd.DataFrame, path: Path) -> None:
    """Plot the error of each estimator by target policy, and by number of sessions."""
    numbers = table.assign(**{name: table[name].astype(float) for name in ("judged ε", "sessions", "error")})
    looks = styles(numbers["estimator"].unique())
    farthest, largest = numbers["judged ε"].iat[-1], numbers["sessions"].max()
    panels_of = (
        (numbers[numbers["sessions"] == largest], "judged ε", f"{largest:,.0f} sessions"),
        (numbers[numbers["judged ε"] == farthest], "sessions", f"judged ε = {farthest:g}"),
    )
    with figure(path, 2, size=(5.0, 4.0)) as panels:
        for axes, (part, x, title) in zip(panels, panels_of, strict=True):
            for name, found in part.groupby("estimator", sort=False):
                look = looks[str(name)]
                axes.plot(found[x], found["error"], color=look.colour, marker=look.marker, label=str(name))
            axes.set(xlabel=x, ylabel="root mean square error", yscale="log", title=title)
        panels[1].set_xscale("log")
        panels[0].invert_xaxis()
        panels[0].legend(frameon=False)
        caption(panels[0], "Lower is better. To the right: policies further from the one that played, and longer logs.")


if __name__ == "__main__":
    main(Ope)
