"""What a structure of the soak is."""


class Subject:
    """One structure, in one round."""

    name = ""

    def step(self, rng, log) -> None:
        """One thing a thread does. May raise Boom."""

    def close(self) -> None:
        """Lets whoever waits go."""

    def verify(self, logs) -> None:
        """When all have stopped: nothing lost, nothing doubled."""
