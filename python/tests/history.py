"""Records histories of concurrent calls: many short rounds, each on a new structure.

In each round all threads start at the same moment. Each thread records into its own list, so that
recording adds no ordering to that of the structure. The clock is the monotonic one, on which all
processors agree. A call precedes another only if it returned strictly before the other began. Two
calls that share a tick are therefore unordered, which can hide a fault but never invent one.
"""

import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from deadlines import DEADLINE_S, join
from linearizability import Call, Raised, check

# Multiplies the number of histories of a normal run of the suite.
HISTORIES_FACTOR = float(os.environ.get("UNGIL_HISTORIES", "1"))

Program = list[tuple[str, tuple]]


@dataclass(slots=True)
class Round:
    """One structure, and the calls of each thread."""

    subject: object
    programs: list[Program]


class StartGate:
    """Starts threads at the same moment without a lock between them.

    Each thread publishes its progress in its own cell and polls the cells of the others. This
    happens twice: a thread that yielded its processor in the first phase is late. In the second
    phase all threads are awake and only spin. They then start within a few hundred nanoseconds of
    each other, if there are enough processors.
    """

    def __init__(self, threads: int):
        self.reached = [[-1] for _ in range(threads)]
        self.failed = False

    def wait_for_all(self, index: int, number: int) -> None:
        self.wait(index, 2 * number, 20)
        self.wait(index, 2 * number + 1, 2000)

    def wait(self, index: int, number: int, max_spins: int) -> None:
        self.reached[index][0] = number
        spins = 0
        deadline = 0.0
        for other in self.reached:
            while other[0] < number:
                spins += 1
                if spins > max_spins:
                    os.sched_yield()
                    deadline = deadline or time.monotonic() + DEADLINE_S
                    if self.failed or time.monotonic() > deadline:
                        raise TimeoutError("another thread did not reach this round")


def pin_to_processor(index: int) -> None:
    """Pins the calling thread to a processor of its own, if there are enough.

    Otherwise the scheduler tends to keep threads that wait for each other on one processor, and no
    calls overlap.
    """
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[index % len(processors)]})


def jitter(rng: random.Random) -> None:
    """Pauses for a random time: mostly none, sometimes long enough for another thread to run."""
    choice = rng.random()
    if choice > 0.98:
        os.sched_yield()
    elif choice > 0.7:
        for _ in range(int(choice * 20)):
            pass


def bind(subject: object, program: Program) -> list[tuple[Callable, str, tuple]]:
    """Looks up the methods of a program before it runs."""
    return [(getattr(subject, name), name, arguments) for name, arguments in program]


def record_calls(
    bound: list[tuple[Callable, str, tuple]], thread: int, rng: random.Random
) -> list[Call]:
    """Makes the calls and records them."""
    clock = time.monotonic_ns
    recorded = []
    for method, name, arguments in bound:
        jitter(rng)
        invoked = clock()
        try:
            result = method(*arguments)
        except Exception as error:
            result = Raised(type(error).__name__)
        recorded.append((name, arguments, result, invoked, clock()))
    return [Call(thread, *what) for what in recorded]


def run_rounds(rounds: list[Round], seed: int) -> list[list[Call]]:
    """Runs the rounds, all with the same number of threads, and returns the history of each."""
    count = len(rounds[0].programs)
    gate = StartGate(count)
    histories: list[list[list[Call]]] = [[[] for _ in range(count)] for _ in rounds]
    errors: list[BaseException] = []

    def work(index: int) -> None:
        rng = random.Random(seed * 1000 + index)
        pin_to_processor(index)
        try:
            for number, one in enumerate(rounds):
                bound = bind(one.subject, one.programs[index])
                gate.wait_for_all(index, number)
                histories[number][index] = record_calls(bound, index, rng)
        except BaseException as error:
            gate.failed = True
            errors.append(error)

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    join(*threads)
    if errors:
        raise errors[0]
    return [[call for calls in parts for call in calls] for parts in histories]


def check_random_rounds(
    make: Callable[[], object],
    program: Callable[[random.Random, int], Program],
    specification: object,
    *,
    rounds: int = 1000,
    threads: int = 3,
    seed: int | None = None,
) -> int:
    """Runs that many random rounds and checks the history of each.

    Returns the number of rounds with overlapping calls, which shows how much the check is worth. A
    failure's message contains the seed.
    """
    seed = random.SystemRandom().randrange(1 << 30) if seed is None else seed
    rng = random.Random(seed)
    rounds = max(1, int(rounds * HISTORIES_FACTOR))
    plan = [Round(make(), [program(rng, index) for index in range(threads)]) for _ in range(rounds)]
    overlapping = 0
    try:
        for history in run_rounds(plan, seed):
            check(history, specification)
            overlapping += overlaps(history)
    except AssertionError as error:
        error.add_note(f"seed {seed}, {threads} threads")
        raise
    return overlapping


def overlaps(history: list[Call]) -> bool:
    """Returns whether calls of different threads overlapped in time."""
    calls = sorted(history, key=lambda call: call.invoked)
    return any(
        one.thread != other.thread and other.invoked <= one.returned
        for i, one in enumerate(calls)
        for other in calls[i + 1 :]
    )
