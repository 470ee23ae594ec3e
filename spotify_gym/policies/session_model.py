"""The true dynamics as a planning model: exact values of all replacements in a plan, by a few matrix products.

Let the plan be a_0 ... a_{T-1}, H the history length, x the features and u the unit features of a track. Replacing a_i
by another track c changes the reward at position i and the vibe before the next H tracks. With v_t the planned vibe
before a_t, and w_t = v_t − x_{a_i} / H the vibe without a_i,

    cos(a_t, vibe with c) = (u_{a_t}·w_t + u_{a_t}·x_c / H) / √(‖w_t‖² + 2 w_t·x_c / H + ‖x_c‖² / H²).

Numerator and radicand are linear in (x_c, 1, ‖x_c‖²): for all c and t they are one product with an (N, d + 2) matrix.
The terms of the listener for the later tracks come from :meth:`~spotify_gym.listeners.Listener.rollout_rewards`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from spotify_gym.catalogue.catalogue import TINY, units_of
from spotify_gym.search import planning
from spotify_gym.search.planning import PlanningModel
from spotify_gym.session import SessionDynamics, SessionState
from spotify_gym.session.state import Bools, Floats, Ints

Rollout = planning.Rollout[SessionState]

_NUMBERS_AT_ONCE = 2**17  # they fit in the cache
_FOLLOWED = 256  # sessions over which later rewards are averaged; immediate ones are averaged over all sessions
_LISTENERS = 32  # the same with a listener
_ROUNDING = 1e-4  # rounding error of a sum of rewards


class SessionModel(PlanningModel[SessionState]):
    """The true dynamics of a session, with listeners who respond in the likeliest way.

    Args:
        dynamics: dynamics of the sessions.
    """

    def __init__(self, dynamics: SessionDynamics) -> None:
        self.dynamics = dynamics.determinized()
        self.n_actions = len(dynamics.catalogue)
        features = dynamics.catalogue.features
        square = np.vecdot(features, features)[:, None]
        self._lifted = np.concatenate([features, np.ones_like(square), square], axis=1)
        self._flow = np.float32(dynamics.reward.get("flow", 0.0))

    def step(self, states: SessionState, actions: Ints) -> tuple[Floats, Bools]:
        """Play one track in each session; return rewards, (B,), and whether the listener has left, (B,)."""
        outcome = self.dynamics.step(states, actions)
        return outcome.reward, outcome.left

    def expected_rewards(self, states: SessionState, actions: Ints | None = None) -> Floats:
        """Return the expected reward of each track, (B, M)."""
        return self.dynamics.expected_rewards(states, actions)

    def mean_rewards(
        self, states: SessionState, actions: Ints | None = None, n_groups: int = 1, going: Bools | None = None
    ) -> Floats:
        """Return the mean expected rewards; without a listener, computed from the mean direction of the sessions.

        Rewards are then linear in the direction, and no session ends early.
        """
        dynamics = self.dynamics
        if dynamics.listener is not None or not dynamics.is_linear:
            return super().mean_rewards(states, actions, n_groups, going)
        units = dynamics.catalogue.unit_features[_all_or(actions)]
        directions, constant = dynamics.likeness(states)
        mean = directions.reshape(-1, n_groups, directions.shape[1]).mean(axis=0, dtype=np.float64)
        rewards: Floats = mean.astype(np.float32) @ units.T + constant
        if not dynamics.repeats:
            rows, places = dynamics.refused(states, actions)
            rows, places = np.divmod(np.unique(rows * len(units) + places), len(units))  # drop duplicate pairs
            lost = np.vecdot(directions[rows], units[places]) + constant - np.float32(dynamics.reward_bounds[0])
            np.subtract.at(rewards, (rows % n_groups, places), lost * np.float32(n_groups / len(states)))
        return rewards

    def replacement_values(self, rollout: Rollout, position: int, actions: Ints | None = None) -> Floats:
        """Return the value of each track at `position`: the mean return of the plan from there on over the sessions.

        Terms that do not depend on the candidate are left out: the baseline and "fit" of the later tracks. Candidates
        get -inf if they could not beat the planned track even with maximal later rewards, or, where repeats are
        forbidden, if the plan or every session contains them already. All other values are exact if listeners hear
        every track out and stay and, with several sessions, for tracks that none of them started with.
        """
        values: Floats = self.mean_rewards(rollout.before[position], actions)[0]
        if not self.dynamics.repeats:
            versions = self.dynamics.first_versions[_all_or(actions)]
            values[self._is_taken(rollout, position)[versions]] = -np.inf
        hopeful = values >= rollout.rewards[position] - self._headroom(rollout, position)
        values[~hopeful] = -np.inf
        places = np.flatnonzero(hopeful)
        if len(places) and position + 1 < len(rollout.plan):
            values[places] += self._later(rollout, position, places if actions is None else actions[places])
        return values

    def _is_taken(self, rollout: Rollout, position: int) -> Bools:
        """Return which first versions, (N,), the rest of the plan or every session contains already."""
        taken = np.zeros(self.n_actions, np.bool_)
        taken[self.dynamics.first_versions[np.delete(rollout.plan, position)]] = True
        played = rollout.before[position].played
        for version in np.unique(played[0, played[0] >= 0]):
            if (played == version).any(axis=1).all():
                taken[version] = True
        return taken

    def _headroom(self, rollout: Rollout, position: int) -> float:
        """Return an upper bound on the gain of the later tracks by a replacement, which does not change their "fit"."""
        dynamics = self.dynamics
        bounds, weights = dynamics.term_bounds, dict(dynamics.reward)
        earned = rollout.rewards.copy()
        if weight := weights.pop("fit", 0.0):
            direction = units_of(rollout.before[0].seed_vibe).mean(axis=0)
            cosines = dynamics.catalogue.unit_features[rollout.plan] @ direction
            earned -= weight * (cosines - dynamics.baseline)
        highest = sum(max(weight * bound for bound in bounds[name]) for name, weight in weights.items())
        reach = dynamics.history_length if dynamics.listener is None else len(earned)
        return float((highest - earned[position + 1 :][:reach]).sum()) + _ROUNDING

    def _later(self, rollout: Rollout, position: int, tracks: Ints) -> Floats:
        """Return the reward of the later tracks for each of the given ones at `position`, (len(tracks),)."""
        if self.dynamics.listener is None:
            return self._later_flow(rollout, position, tracks)
        n_sessions = min(len(rollout.before[position]), _LISTENERS)
        mean: Floats = np.mean([self._later_heard(rollout, position, tracks, row) for row in range(n_sessions)], axis=0)
        return mean

    def _later_flow(self, rollout: Rollout, position: int, tracks: Ints) -> Floats:
        """Return the summed flow of the H tracks after `position`, grouping sessions with equal vibes."""
        catalogue, length = self.dynamics.catalogue, self.dynamics.history_length
        vibes, units, weights = [], [], []
        for track, sessions in zip(rollout.plan[position + 1 :][:length], rollout.before[position + 1 :], strict=False):
            vibe, counts = np.unique(sessions.vibe[:_FOLLOWED], axis=0, return_counts=True)
            vibes.append(vibe)
            units.append(np.broadcast_to(catalogue.unit_features[track], vibe.shape))
            weights.append(self._flow * (counts / counts.sum()).astype(np.float32))
        weight = np.concatenate(weights)
        cosines = self._cosines(np.concatenate(units), np.concatenate(vibes), int(rollout.plan[position]))
        return np.concatenate([weight @ cosines(part) for part in _parts(tracks, len(weight))])

    def _later_heard(self, rollout: Rollout, position: int, tracks: Ints, row: int) -> Floats:
        """Return the sum of flow and listener terms over all tracks after `position`, in one of the sessions."""
        listener, catalogue = self.dynamics.listener, self.dynamics.catalogue
        assert listener is not None
        state = rollout.before[position].listener.take(np.array([row]))
        vibes = np.stack([sessions.vibe[row] for sessions in rollout.before[position:]])
        directions = units_of(vibes)
        units = catalogue.unit_features[rollout.plan[position + 1 :]]
        reached = slice(self.dynamics.history_length)
        cosines = self._cosines(units[reached], vibes[1:][reached], int(rollout.plan[position]))
        later = np.repeat(np.vecdot(units, directions[1:])[:, None], _NUMBERS_AT_ONCE // len(units), axis=1)
        values = []
        for part in _parts(tracks, len(units)):
            unit = catalogue.unit_features[part]
            rest_cosine = later[:, : len(unit)]
            rest_cosine[reached] = cosines(part)
            value = self._flow * rest_cosine[reached].sum(axis=0)
            terms = listener.rollout_rewards(state, unit, unit @ directions[0], units, rest_cosine)
            for name, total in terms.items():
                value += np.float32(self.dynamics.reward.get(name, 0.0)) * total
            values.append(value)
        return np.concatenate(values)

    def _cosines(self, units: Floats, vibes: Floats, planned: int) -> Callable[[Ints | slice], Floats]:
        """Return a function from M replacements of a planned track to the cosines of K later tracks, (K, M).

        Args:
            units: (K, d) unit features of the later tracks.
            vibes: (K, d) planned vibes before them.
            planned: the planned track, which is part of all these vibes.
        """
        share = np.float32(1 / self.dynamics.history_length)
        rest = vibes - share * self.dynamics.catalogue.features[planned]
        dot, square = np.vecdot(units, rest)[:, None], np.vecdot(rest, rest)[:, None]
        numerators = np.concatenate([share * units, dot, np.zeros_like(dot)], axis=1)
        radicands = np.concatenate([2 * share * rest, square, np.full_like(square, share**2)], axis=1)

        def cosines(candidates: Ints | slice) -> Floats:
            lifted = self._lifted[candidates].T
            cosine: Floats = numerators @ lifted
            length: Floats = radicands @ lifted
            cosine /= np.sqrt(np.maximum(length, TINY, out=length), out=length)
            return cosine

        return cosines


def _all_or(tracks: Ints | None) -> Ints | slice:
    return slice(None) if tracks is None else tracks


def _parts(tracks: Ints, n_rows: int) -> Iterator[Ints | slice]:
    """Yield parts of the tracks, as slices if adjacent, so small that `n_rows` numbers per track fit in the cache."""
    size = max(1, _NUMBERS_AT_ONCE // n_rows)
    for start in range(0, len(tracks), size):
        part = tracks[start : start + size]
        yield slice(int(part[0]), int(part[-1]) + 1) if (np.diff(part) == 1).all() else part
