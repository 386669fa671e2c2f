"""A checker of linearizability.

A history is linearizable if its calls can be put in a sequential order that the specification
allows and in which no call precedes one that had returned before it began.

The search is Wing and Gong's, with Lowe's cache: each pair of a set of ordered calls and the state
that they lead to is explored once. A specification that treats its keys independently (a map, an
array) is checked one key at a time (`partition`). That is equally strong, because linearizability
is local, and exponentially cheaper.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Raised:
    """The result of a call that raised an exception."""

    kind: str

    def __repr__(self) -> str:
        return f"!{self.kind}"


class _Pending:
    """The result of a call that never returned.

    It may have taken effect, with any result, or not.
    """

    def __repr__(self) -> str:
        return "?"


PENDING = _Pending()


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as seen by the thread that made it.

    Two calls are ordered only if one returned strictly before the other began.
    """

    thread: int
    name: str
    arguments: tuple
    result: Any
    invoked: float
    returned: float = INFINITY

    def __repr__(self) -> str:
        arguments = ", ".join(map(repr, self.arguments))
        call = f"{self.name}({arguments}) -> {self.result!r}"
        return f"thread {self.thread} [{self.invoked}, {self.returned}] {call}"


class NotLinearizable(AssertionError):
    """Raised if no sequential order is possible."""


def same(one: Any, other: Any) -> bool:
    """Compares for equality, but distinguishes 1, True and 1.0, as a caller can."""
    return type(one) is type(other) and one == other


def linearize(calls: Iterable[Call], specification: Any) -> list[Call] | None:
    """Returns a possible sequential order, or None.

    `specification` has `initial`, a hashable state, and `step(state, name, arguments)`, which
    returns the possible (result, state) pairs of the call: none if it would have to wait, several
    if the specification allows several outcomes.
    """
    calls = sorted(calls, key=lambda call: call.invoked)
    before = [
        sum(1 << j for j, earlier in enumerate(calls) if earlier.returned < call.invoked)
        for call in calls
    ]
    needed = sum(1 << i for i, call in enumerate(calls) if call.result is not PENDING)
    seen: set[tuple[int, Hashable]] = set()
    # The search is depth-first: `path` holds the open nodes (`done`, iterator over the next steps),
    # and `taken` the calls that lead from one to the next.
    taken: list[int] = []

    def steps(done: int, state: Hashable):
        for i, call in enumerate(calls):
            if done >> i & 1 or before[i] & ~done:
                continue
            for result, after in specification.step(state, call.name, call.arguments):
                if call.result is PENDING or same(result, call.result):
                    yield i, after

    path = [(0, steps(0, specification.initial))]
    if not needed:
        return []
    while path:
        done, following = path[-1]
        for i, after in following:
            now = done | 1 << i
            if now & needed == needed:
                return [calls[j] for j in (*taken, i)]
            if (now, after) not in seen:
                seen.add((now, after))
                path.append((now, steps(now, after)))
                taken.append(i)
                break
        else:
            path.pop()
            if taken:
                taken.pop()
    return None


def partition(calls: Iterable[Call], key: Callable[[Call], Hashable]) -> dict[Hashable, list[Call]]:
    """Returns the calls grouped by key."""
    parts: dict[Hashable, list[Call]] = {}
    for call in calls:
        parts.setdefault(key(call), []).append(call)
    return parts


def check(calls: Iterable[Call], specification: Any) -> None:
    """Raises NotLinearizable, with the history, unless a sequential order is possible.

    If the specification has a `key`, each key is checked separately.
    """
    key = getattr(specification, "key", None)
    parts = partition(calls, key).values() if key else [list(calls)]
    for part in parts:
        if linearize(part, specification) is None:
            lines = "\n  ".join(map(repr, sorted(part, key=lambda call: call.invoked)))
            raise NotLinearizable(
                f"no order of these calls fits {type(specification).__name__}:\n  {lines}"
            )
