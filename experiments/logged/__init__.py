"""Offline reinforcement learning: behaviour policies, datasets of logged sessions, and learning from them."""
