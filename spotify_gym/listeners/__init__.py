"""Listener models: how a person responds to tracks; array in, array out."""

from spotify_gym.listeners.listener import BatchState, CompiledListener, Listener, Response
from spotify_gym.listeners.logged import LoggedListener
from spotify_gym.listeners.named import LISTENERS, as_listener
from spotify_gym.listeners.person import Person
from spotify_gym.listeners.satiation import SatiatedListener
from spotify_gym.listeners.skipping import SkippingListener

__all__ = [
    "LISTENERS",
    "BatchState",
    "CompiledListener",
    "Listener",
    "LoggedListener",
    "Person",
    "Response",
    "SatiatedListener",
    "SkippingListener",
    "as_listener",
]
