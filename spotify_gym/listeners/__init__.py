"""Who listens: models of a person, arrays in and arrays out."""

from spotify_gym.listeners.batch import BatchState
from spotify_gym.listeners.listener import Listener, Response
from spotify_gym.listeners.person import Person
from spotify_gym.listeners.satiation import SatiatedListener
from spotify_gym.listeners.skipping import SkippingListener

__all__ = ["BatchState", "Listener", "Person", "Response", "SatiatedListener", "SkippingListener"]
