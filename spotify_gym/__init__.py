"""Gymnasium environments for music recommendation over a whole catalogue."""

from spotify_gym.catalogue import Catalogue, CatalogueError
from spotify_gym.registration import ENVS, register_envs

__version__ = "0.2.0"
__all__ = ["ENVS", "Catalogue", "CatalogueError", "__version__", "register_envs"]

register_envs()
