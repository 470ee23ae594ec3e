"""The page: sit in a session with an agent, in the browser; `serve` starts it."""

from spotify_gym.app.serve import serve

__all__ = ["serve"]
