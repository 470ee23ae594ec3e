"""Wrappers that let other people's learners train in every environment of the family.

The wrappers here are for single environments; :mod:`~spotify_gym.wrappers.vector` has wrappers of the same names for
vector environments made by `gymnasium.make_vec`. Gymnasium refuses `make_vec(..., wrappers=...)` for these, so wrap
what it returns:

    >>> import gymnasium, spotify_gym
    >>> from spotify_gym import wrappers
    >>> env = wrappers.ProtoAction(gymnasium.make("SpotifyPlaylist-v0"))
    >>> many = wrappers.vector.ProtoAction(gymnasium.make_vec("SpotifyPlaylist-v0", num_envs=8))
    >>> env.action_space.shape, many.action_space.shape
    ((9,), (8, 9))
"""

from spotify_gym.wrappers import vector
from spotify_gym.wrappers.single import MaskObservation, NearestUnplayed, ProtoAction

__all__ = ["MaskObservation", "NearestUnplayed", "ProtoAction", "vector"]
