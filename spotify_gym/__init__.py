"""Music listening sessions over a whole catalogue, as Gymnasium environments."""

__version__ = "0.1.0"
