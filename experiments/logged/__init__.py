"""Learning from sessions that somebody else has played: logging them, keeping them, learning from them alone."""
