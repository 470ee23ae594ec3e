"""The one error of this room, and names from a file as a terminal may show them."""


def printable(text: str) -> str:
    r"""Return the text with what a terminal would obey, such as escape sequences, replaced; lines stay lines.

    >>> printable("a title \x1b[2J that clears the screen")
    'a title \ufffd[2J that clears the screen'
    """
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


class CatalogueError(ValueError):
    """A table or a file cannot become a catalogue; the message says why and what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))
