"""Shared objects: an attribute of one instance written size times. The last write remains."""

import ungil_suite as suite


class State:
    def __init__(self):
        self.last = -1


def write(state, low, high):
    for i in range(low, high):
        state.last = i


def verify(states, _, size):
    for state in states:
        suite.check(
            0 <= state.last < size, f"the attribute is {state.last}, which was never written"
        )


if __name__ == "__main__":
    suite.contend(__doc__, 4_000_000, State, write, verify)
