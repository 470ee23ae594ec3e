"""The one error of this room."""


class CatalogueError(ValueError):
    """A table or a file cannot become a catalogue; the message says why and what to do about it."""
