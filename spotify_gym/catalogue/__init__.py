"""The catalogue of tracks that can be played: reading and checking tables, scaling, the built-in catalogue."""

from spotify_gym.catalogue.catalogue import Catalogue, held, units_of
from spotify_gym.catalogue.report import CatalogueError, Finding, Report
from spotify_gym.catalogue.scaling import Scaling
from spotify_gym.catalogue.sources import address_of, as_catalogue, located
from spotify_gym.catalogue.tracks import FEATURE_NAMES, TextColumn

__all__ = [
    "FEATURE_NAMES",
    "Catalogue",
    "CatalogueError",
    "Finding",
    "Report",
    "Scaling",
    "TextColumn",
    "address_of",
    "as_catalogue",
    "held",
    "located",
    "units_of",
]
