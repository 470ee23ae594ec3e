"""The errors of this room: what a user gave cannot be used, and the message says why and what to do about it."""


class ConfigError(ValueError):
    """A setting that cannot be; the message names it, what is allowed and the way out."""


class RunError(ValueError):
    """A run folder, or a file in it, that cannot be used."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C, put off until everything was saved."""
