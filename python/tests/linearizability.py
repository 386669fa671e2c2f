"""A checker of linearizability: is there an order of the calls, one after another, that the sequential specification allows and
that puts no call before one that had returned when it began?

Wing and Gong's search, with Lowe's memory of what was tried: a set of calls already ordered and the state they led to need be
looked at once. A specification that treats its keys apart (a map's, an array's) is checked a key at a time, which is as strong
(linearizability is local) and exponentially cheaper: `partition`.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Raised:
    """The result of a call that raised."""

    kind: str

    def __repr__(self) -> str:
        return f"!{self.kind}"


class _Pending:
    """The result of a call that never returned: it may have taken effect, with any result, or not."""

    def __repr__(self) -> str:
        return "?"


PENDING = _Pending()


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as the thread that made it saw it. Two calls are ordered only if one returned strictly before the other began."""

    thread: int
    name: str
    arguments: tuple
    result: Any
    invoked: float
    returned: float = INFINITY

    def __repr__(self) -> str:
        arguments = ", ".join(map(repr, self.arguments))
        return f"thread {self.thread} [{self.invoked}, {self.returned}] {self.name}({arguments}) -> {self.result!r}"


class NotLinearizable(AssertionError):
    """No order fits."""


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1 from True and from 1.0, as a caller can."""
    return type(one) is type(other) and one == other


def linearize(calls: Iterable[Call], specification: Any) -> list[Call] | None:
    """An order that fits, or None. `specification` has `initial`, a hashable state, and `step(state, name, arguments)`, which gives
    the pairs (result, state) the call may end in: none if it would have to wait, several if the specification leaves it open."""
    calls = sorted(calls, key=lambda call: call.invoked)
    before = [
        sum(1 << j for j, earlier in enumerate(calls) if earlier.returned < call.invoked)
        for call in calls
    ]
    needed = sum(1 << i for i, call in enumerate(calls) if call.result is not PENDING)
    seen: set[tuple[int, Hashable]] = set()
    # A path of (done, state, iterator over the next steps), deepest last, and the calls it took.
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
    """The calls of each key apart."""
    parts: dict[Hashable, list[Call]] = {}
    for call in calls:
        parts.setdefault(key(call), []).append(call)
    return parts


def check(calls: Iterable[Call], specification: Any) -> None:
    """Raises NotLinearizable, with the history, unless an order fits. A specification with a `key` is checked a key at a time."""
    key = getattr(specification, "key", None)
    parts = partition(calls, key).values() if key else [list(calls)]
    for part in parts:
        if linearize(part, specification) is None:
            lines = "\n  ".join(map(repr, sorted(part, key=lambda call: call.invoked)))
            raise NotLinearizable(
                f"no order of these calls fits {type(specification).__name__}:\n  {lines}"
            )
