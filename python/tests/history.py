"""Histories of what threads did to one structure at the same time: many short rounds, each on a structure of its own, all threads
let go at once.

Each thread writes into a list of its own, so that recording orders nothing that the structure does not. The clock is the
machine's monotonic one, which all processors agree on: a call comes before another only if it returned strictly before the
other began, so a tick that two share leaves them unordered, which can hide a fault but never make one up."""

import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from deadlines import DEADLINE_S, join
from linearizability import Call, Raised, check

# How many times as many histories as the suite takes by itself.
MORE = float(os.environ.get("UNGIL_HISTORIES", "1"))

Program = list[tuple[str, tuple]]


@dataclass(slots=True)
class Round:
    """One structure, and what each thread is to do to it."""

    subject: object
    programs: list[Program]


class Start:
    """Lets threads go together without a lock between them: each says how far it is in a place of its own, and looks at the
    others'. Twice, because whoever yielded the processor at the first look is late: at the second all are awake and only spin, so
    that they leave within a few hundred nanoseconds of each other where there are processors for all."""

    def __init__(self, threads: int):
        self.reached = [[-1] for _ in range(threads)]
        self.failed = False

    def meet(self, me: int, number: int) -> None:
        self.wait(me, 2 * number, 20)
        self.wait(me, 2 * number + 1, 2000)

    def wait(self, me: int, number: int, patience: int) -> None:
        self.reached[me][0] = number
        spins = 0
        deadline = 0.0
        for other in self.reached:
            while other[0] < number:
                spins += 1
                if spins > patience:
                    os.sched_yield()
                    deadline = deadline or time.monotonic() + DEADLINE_S
                    if self.failed or time.monotonic() > deadline:
                        raise TimeoutError("another thread did not come to this round")


def apart(me: int) -> None:
    """Puts the calling thread on a processor of its own, as far as there are enough: left alone, the scheduler likes to keep threads
    that wait for each other together, and then nothing ever runs at the same time."""
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[me % len(processors)]})


def jitter(rng: random.Random) -> None:
    """A pause of random length: mostly none, sometimes long enough for another thread to run."""
    choice = rng.random()
    if choice > 0.98:
        os.sched_yield()
    elif choice > 0.7:
        for _ in range(int(choice * 20)):
            pass


def bind(subject: object, program: Program) -> list[tuple[Callable, str, tuple]]:
    """The methods a program calls, looked up beforehand."""
    return [(getattr(subject, name), name, arguments) for name, arguments in program]


def perform(
    bound: list[tuple[Callable, str, tuple]], thread: int, rng: random.Random
) -> list[Call]:
    """Makes the calls, recorded."""
    clock = time.monotonic_ns
    made = []
    for method, name, arguments in bound:
        jitter(rng)
        invoked = clock()
        try:
            result = method(*arguments)
        except Exception as error:
            result = Raised(type(error).__name__)
        made.append((name, arguments, result, invoked, clock()))
    return [Call(thread, *what) for what in made]


def play(rounds: list[Round], seed: int) -> list[list[Call]]:
    """Plays the rounds, all with as many threads, and gives the history of each."""
    count = len(rounds[0].programs)
    start = Start(count)
    histories: list[list[list[Call]]] = [[[] for _ in range(count)] for _ in rounds]
    errors: list[BaseException] = []

    def work(me: int) -> None:
        rng = random.Random(seed * 1000 + me)
        apart(me)
        try:
            for number, one in enumerate(rounds):
                bound = bind(one.subject, one.programs[me])
                start.meet(me, number)
                histories[number][me] = perform(bound, me, rng)
        except BaseException as error:
            start.failed = True
            errors.append(error)

    threads = [threading.Thread(target=work, args=(me,), daemon=True) for me in range(count)]
    for thread in threads:
        thread.start()
    join(*threads)
    if errors:
        raise errors[0]
    return [[call for calls in parts for call in calls] for parts in histories]


def examine(
    make: Callable[[], object],
    program: Callable[[random.Random, int], Program],
    specification: object,
    *,
    rounds: int = 1000,
    threads: int = 3,
    seed: int | None = None,
) -> int:
    """Plays that many rounds and checks each. The seed is in the message of a failure. Gives how many rounds had calls that ran at
    the same time: what the check was worth."""
    seed = random.SystemRandom().randrange(1 << 30) if seed is None else seed
    rng = random.Random(seed)
    rounds = max(1, int(rounds * MORE))
    plan = [Round(make(), [program(rng, me) for me in range(threads)]) for _ in range(rounds)]
    overlapping = 0
    try:
        for history in play(plan, seed):
            check(history, specification)
            overlapping += overlaps(history)
    except AssertionError as error:
        error.add_note(f"seed {seed}, {threads} threads")
        raise
    return overlapping


def overlaps(history: list[Call]) -> bool:
    """Whether calls of different threads ran at the same time."""
    calls = sorted(history, key=lambda call: call.invoked)
    return any(
        one.thread != other.thread and other.invoked <= one.returned
        for i, one in enumerate(calls)
        for other in calls[i + 1 :]
    )
