"""Base class of the structures that the soak tests."""


class Subject:
    """One structure in one round."""

    name = ""

    def step(self, rng, log) -> None:
        """Does one random operation. May raise Boom."""

    def close(self) -> None:
        """Wakes all waiting threads."""

    def verify(self, logs) -> None:
        """Check, after all threads have stopped, that nothing was lost or duplicated."""
