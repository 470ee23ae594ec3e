"""One listening session as a Gymnasium environment."""

from __future__ import annotations

import operator
from typing import Any, Unpack

import gymnasium as gym
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from numpy.typing import NDArray

from spotify_gym.session import rendering
from spotify_gym.session.options import EnvOptions, Source, dynamics_from, history_of
from spotify_gym.session.shared import SharedEnv
from spotify_gym.session.spaces import TrackSpace, spaces_of
from spotify_gym.session.state import Bools, Floats, SessionState, StepResult
from spotify_gym.session.streams import KeyStream

_SLOT = np.zeros(1, dtype=np.intp)


class SpotifyEnv(SharedEnv, gym.Env[Floats, np.int64]):
    """A listening session: recommend one track after another from a whole catalogue.

    ## Description

    A person has heard a few tracks; their mean audio features are the *vibe* of the session. The agent observes the
    vibe and recommends one track of the catalogue. The track earns its cosine to the vibe, is heard, and so moves the
    vibe. The registered ids are presets of this one class:

    | id | what it adds |
    |---|---|
    | `SpotifySession-v0` | nothing: the basic problem; repeats are allowed |
    | `SpotifyPlaylist-v0` | no repeats; half of the reward is the cosine to the *seed vibe*, the vibe at the start |
    | `SpotifySatiation-v0` | no repeats; a listener who tires of similar tracks and recovers with rest |
    | `SpotifySkip-v0` | no repeats; a listener with a hidden taste who skips, and leaves when out of patience |
    | `SpotifyLogged-v0` | as Skip, with early and late skips, a slow mood, and as little effect of sound as in logs |
    | `SpotifyTaste-v0` | as Skip, but the start does not reveal the taste, and the taste weighs more |

    In `SpotifySession-v0`, playing one track over and over earns about nine tenths of the maximum; `SpotifyPlaylist-v0`
    forbids that. In a process that has not imported the package, such as a worker, put the module before the id:
    `gymnasium.make("spotify_gym:SpotifySession-v0")`.

    ## Action Space

    `Discrete(N)`: the index of a track in the catalogue. The space is a
    :class:`~spotify_gym.session.spaces.TrackSpace`, which carries the features of all tracks. Any integer is accepted
    (Python, NumPy, array of shape ()). Anything else, NaN included, and any index outside [0, N) raises
    `gymnasium.error.InvalidAction` and does not change the session. Where repeats are forbidden, `action_masks()`
    returns which tracks may be played, in the convention of sb3-contrib.

    ## Observation Space

    `Box(float32)`, blocks side by side; blocks of d features are bounded by their range in the catalogue:

    | block | shape | present |
    |---|---|---|
    | the state, see `state` below | (d,) for `"mean"` | always |
    | seed vibe | (d,) | where "fit" is part of the reward |
    | visible state of the listener | listener's own | where the listener has any |

    | `state` | meaning | shape |
    |---|---|---|
    | `"mean"` | mean of the last H tracks heard, the vibe | (d,) |
    | `"decayed"` | mean of all tracks heard, weights decaying by 0.9 a track; `"decayed=0.8"` sets that | (d,) |
    | `"mean+decayed"` | both | (2d,) |
    | `"mean+genres"` | the vibe and the mix of genres of the last H tracks | (d + G,) |
    | `"history"` | the last H tracks, the oldest first | (H·d,) |
    | `"mean+history"` | the vibe, then the last H tracks | (d + H·d,) |
    | `"mean+responses"` | the vibe, then means and counts of the tracks heard out and skipped | (4d + 4,) |
    | `"taste"` | ridge regression estimates of the taste from the responses, for three prior weights | (3d,) |
    | `"ucb"` | a linearised upper confidence bound on what the listener likes, given the responses | (d,) |
    | `"belief"` | such a bound by Bayes' rule, with a model of how listeners respond | (d,) |
    | `"answered"` | unit features of the last 50 tracks with a response, negated if skipped | (50d,) |
    | `"mean+place"` | the vibe and the number of tracks so far, one-hot | (d + 50,) |

    `mean`, `decayed`, `history`, `genres`, `place`, `responses`, `answered`, `taste`, `ucb` and `belief` can be joined
    by "+".

    ## Rewards

    A weighted sum of named terms, each of which is reported in `info`:

    | term | value |
    |---|---|
    | `flow` | cos(x, s) − b, with x the track's features and s the vibe *before* the track plays |
    | `fit` | cos(x, s₀) − b, with s₀ the seed vibe |
    | the listener's | see :mod:`spotify_gym.listeners` |

    b is a constant of the catalogue, the expected cosine of a random track to the mean of H random tracks, so that
    random play earns 0 on average. A cosine with a zero vector is 0. Where repeats are forbidden, playing a track of
    which a version was played before in the session, the start included, earns the lowest value of each term and
    changes neither vibe nor listener.

    ## Starting State

    H distinct tracks drawn uniformly (a listener may choose among more), or those of
    `reset(options={"history": [...]})`, H track indices or ids, the oldest first.

    ## Episode End

    Truncation after 20 tracks, by the registration's `max_episode_steps` (50 in Skip, Logged and Taste).
    Termination only when the listener leaves; `info["end"]` is then 1. A step after that, or before the first reset,
    raises `gymnasium.error.ResetNeeded`.

    ## Information

    `reset` and `step` return the same entries, with the same shapes and types; before the first track, `track` is -1,
    numbers are 0 and flags False.

    | entry | meaning |
    |---|---|
    | `track` | index of the track played |
    | `cosine` | cosine of the track to the vibe before it played |
    | `repeat` | whether the track, or another version of it, was played before |
    | `completed` | whether the track was heard out, and so entered the history |
    | each reward term by its name | its weighted value |
    | `history` | (H,) the last tracks heard, the oldest first |
    | `end` | 0: the session goes on; 1: the listener has left |
    | `played` | (W,) first versions played, the start included, padded with -1; only where repeats are forbidden |
    | `track_id`, `history_ids` | ids as strings; only with `info_texts=True` |

    ## Arguments

    | argument | default | meaning |
    |---|---|---|
    | `catalogue` | `"builtin"` | or `"builtin:26000"`, a CSV or Parquet table, a `.arrow`, a DataFrame, a `Catalogue` |
    | `scaling` | None | `"standard"` or `"minmax"`; None keeps a catalogue as it is and standardises a table |
    | `reward` | of the id | weight of each reward term; unknown names raise |
    | `history_length` | 5 | H |
    | `state` | `"mean"` | the observation, see Observation Space |
    | `repeats` | of the id | whether a track, or another version of it, may play again |
    | `same` | `"recording"` | versions have equal features; `"song"`: those, or equal title and first artist |
    | `reward_baseline` | None | b; `scaling="minmax", reward_baseline=0.5` gives the rewards of the original project |
    | `listener` | of the id | `"satiated"`, `"skipping"`, `"logged"`, `"module:Class"`, parameters or a JSON file |
    | `played_width` | H + length of the id | W, the width of `played`; a step beyond it raises `ValueError` |
    | `info_texts` | False | whether `info` contains `track_id` and `history_ids` |
    | `render_mode` | None | `"ansi"` (text), `"human"` (text, printed at each step) or `"rgb_array"` (picture) |

    ## Version History

    * v0: first version. Before its release the option `same` was added (Taste and Logged use `same="song"`, the other
      ids `same="recording"`), and `info` got a fixed structure: `completed` was called `heard`, `end` was a string,
      and `track_id` and `history_ids` were present without `info_texts=True`.
    """

    action_space: TrackSpace
    metadata = {"render_modes": ["ansi", "human", "rgb_array"], "render_fps": 2}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self,
        catalogue: Source = "builtin",
        *,
        render_mode: str | None = None,
        played_width: int | None = None,
        info_texts: bool = False,
        **options: Unpack[EnvOptions],
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode={render_mode!r} is not one of {self.metadata['render_modes']}")
        self.render_mode = render_mode
        self.dynamics = dynamics_from(catalogue, options)
        self.observation_space, self.action_space = spaces_of(self.dynamics)
        self._info_texts, self._width_given = info_texts, played_width
        self._make_room(None)
        self._n_tracks = len(self.catalogue)
        self._tracks = np.zeros(1, np.int64)
        self._result: StepResult | None = None  # reused by every step, because allocating one takes longer
        self._no_step: StepResult | None = None  # a cached property would slow down all attributes
        self._trace: rendering.Trace | None = None
        self._left = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Begin a session; see Starting State for `options`."""
        super().reset(seed=seed)
        if seed is not None or self.keys is None:
            self.keys = KeyStream([self.np_random])
        sessions = self._begin(_SLOT, history_of(options, self.dynamics, n_sessions=1))
        self._left = False
        if self.render_mode is not None:
            self._trace = rendering.Trace(self.catalogue, sessions.history[0].copy(), sessions.vibe[0].copy())
            self._show()
        self._no_step = self._no_step or self.dynamics.no_step(1)
        return self.dynamics.observe(sessions)[0], self._info(-1, sessions, self._no_step)

    def step(self, action: Any) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Play the track with index `action`; see Rewards, Episode End and Information."""
        sessions, track = self.sessions, self.track_of(action)
        if self._left:
            raise ResetNeeded("the listener has left; call reset() to begin another session")
        if sessions.time.item() >= self._room:
            self._refuse_more()
        self._tracks[0] = track
        self._result = result = self.dynamics.step(sessions, self._tracks, self._result)
        reward, self._left = result.reward.item(), result.left.item()
        if self._trace is not None:
            play = rendering.Play(track, reward, result.cosine.item(), result.completed.item())
            self._trace.plays.append(play)
            self._show()
        seen = self.dynamics.observe(sessions)[0] if result.seen is None else result.seen[0].copy()
        return seen, reward, self._left, False, self._info(track, sessions, result)

    def render(self) -> str | NDArray[np.uint8] | None:
        """Return the session as text ("ansi") or as a picture, (480, 800, 3) uint8 ("rgb_array")."""
        if self.render_mode is None:
            return None
        if self._trace is None:
            raise ResetNeeded("call reset() before render()")
        if self.render_mode == "rgb_array":
            return rendering.picture(self._trace)
        return rendering.text(self._trace) if self.render_mode == "ansi" else None

    def action_masks(self) -> Bools:
        """Return which tracks may be played now, (N,); all of them where repeats are legal."""
        mask: Bools = self.dynamics.allowed(self.sessions)[0]
        return mask

    def track_of(self, action: Any) -> int:
        """Return the action, any integer, as the index of a track.

        Raises:
            gymnasium.error.InvalidAction: it is none.
        """
        try:
            track = operator.index(action)
        except TypeError:
            raise InvalidAction(f"action {action!r} is not a whole number; give the index of a track") from None
        if not 0 <= track < self._n_tracks:
            raise InvalidAction(
                f"action {track} is not a track of this catalogue; choose from 0 to {self._n_tracks - 1}"
            )
        return track

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_result": None}  # copying would turn its views into separate arrays

    def _info(self, track: int, sessions: SessionState, result: StepResult) -> dict[str, Any]:
        info = {
            "track": track,
            "cosine": result.cosine.item(),
            "repeat": result.repeat.item(),
            "completed": result.completed.item(),
            "history": sessions.history[0].copy(),
            "end": int(self._left),
        }
        for name, values in result.terms.items():
            info[name] = values.item()
        if not self.dynamics.repeats:
            info["played"] = sessions.played[0, : self.played_width].copy()
        if self._info_texts:
            ids = self.catalogue.track_ids
            info["track_id"] = ids[track] if track >= 0 else ""
            info["history_ids"] = np.array([ids[i] for i in info["history"].tolist()], object)
        return info

    def _show(self) -> None:
        if self.render_mode == "human" and self._trace is not None:
            print(rendering.text(self._trace), end="\n\n")
