"""Stress every structure with random operations for a given time.

    python soak.py [--seconds N] [--seed S] [--structure NAME ...] [--threads N]

Threads start and end, keys and callbacks raise and re-enter, the collector runs all the time, and
finalizers use the structure that held the object. After each round, everything that was put in must
have come out or still be there, exactly once. At the end no object may be alive and memory must not
have grown.

A seed fixes what each thread does, not how the threads interleave.
"""

import argparse
import faulthandler
import gc
import random
import statistics
import sys
import threading
import time
from dataclasses import dataclass, field

from deadlines import join
from soak_subjects import SUBJECTS, Boom, Log, Token

# The length of one round of a structure.
ROUND_S = 0.25
# The allowed growth of memory after the first third of the rounds. A structure does 10,000 to
# 1,000,000 operations/s, so leaking one word in each shows within seconds. An allocator that keeps
# some pages of ended threads stays below it.
GROWTH_KIB = 8 * 1024


@dataclass
class Outcome:
    """The result of the soak of one structure."""

    rounds: int = 0
    operations: int = 0
    ended_threads: int = 0
    rss_kib: list[int] = field(default_factory=list)

    def growth_kib(self) -> float:
        """Returns the growth of the median memory from the middle third of the rounds to the last.

        The first third is the warm-up.
        """
        third = max(1, len(self.rss_kib) // 3)
        return statistics.median(self.rss_kib[-third:]) - statistics.median(
            self.rss_kib[third : 2 * third] or self.rss_kib
        )


def rss_kib() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4


class Round:
    """Threads work on one structure until the time is up, and are replaced as they end."""

    def __init__(self, subject, seed: int, threads: int):
        self.subject = subject
        self.rng = random.Random(seed)
        self.count = threads
        self.stop = False
        self.logs: list[Log] = []
        self.unexpected: list[BaseException] = []

    def work(self, rng: random.Random, log: Log) -> None:
        """Runs one thread: a random number of steps, then one of several ways to end."""
        life = rng.choice([3, 50, 1000, 1 << 30])
        try:
            while not self.stop and life:
                life -= 1
                log.operations += 1
                try:
                    self.subject.step(rng, log)
                except Boom:
                    pass
                if rng.random() < 0.002:
                    gc.collect(rng.randrange(2))
        except BaseException as error:
            self.unexpected.append(error)
            return
        match rng.randrange(3):
            case 0:
                raise SystemExit
            case 1:
                raise Boom("a thread dies")

    def start_thread(self) -> threading.Thread:
        log = Log(len(self.logs))
        self.logs.append(log)
        rng = random.Random(self.rng.random())
        thread = threading.Thread(target=self.work, args=(rng, log), daemon=True)
        thread.start()
        return thread

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        threads = [self.start_thread() for _ in range(self.count)]
        while time.monotonic() < end and not self.unexpected:
            time.sleep(0.005)
            gc.collect()
            # Visit what the collector would, while the threads work.
            gc.get_referents(*vars(self.subject).values())
            threads = [thread if thread.is_alive() else self.start_thread() for thread in threads]
        self.stop = True
        self.subject.close()
        for thread in threads:
            join(thread)
        if self.unexpected:
            raise self.unexpected[0]
        self.subject.verify(self.logs)


def soak(name: str, seconds: float, seed: int, threads: int = 4) -> Outcome:
    """Soaks one structure for that long, in rounds.

    Raises AssertionError if something was lost, duplicated, leaked or left hanging.
    """
    outcome = Outcome()
    rng = random.Random(f"{seed} {name}")
    end = time.monotonic() + seconds
    while time.monotonic() < end or not outcome.rounds:
        one = Round(SUBJECTS[name](), rng.randrange(1 << 30), threads)
        one.run(ROUND_S)
        outcome.rounds += 1
        outcome.operations += sum(log.operations for log in one.logs)
        outcome.ended_threads += len(one.logs) - threads
        del one
        left = still_alive()
        assert not left, f"{name}: {left} unreachable objects are alive (seed {seed})"
        outcome.rss_kib.append(rss_kib())
    if len(outcome.rss_kib) >= 9:
        grown = outcome.growth_kib()
        assert grown < GROWTH_KIB, (
            f"{name}: memory grew by {grown:.0f} KiB in {outcome.operations} operations "
            f"(seed {seed})"
        )
    return outcome


def still_alive() -> int:
    """Returns how many objects that went through a structure are alive after a collection."""
    for _ in range(3):
        gc.collect()
    return sum(isinstance(thing, Token) for thing in gc.get_objects())


def ignore_intended_errors() -> None:
    """Does not report threads that end with Boom, which is intended."""
    loud = threading.excepthook
    threading.excepthook = lambda args: None if issubclass(args.exc_type, Boom) else loud(args)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="total time, divided equally among the structures",
    )
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--structure", action="append", choices=sorted(SUBJECTS))
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    names = options.structure or sorted(SUBJECTS)
    faulthandler.enable()
    ignore_intended_errors()
    print(f"seed {seed}, {options.threads} threads, {len(names)} structures, {options.seconds:g} s")
    failed = 0
    for name in names:
        try:
            outcome = soak(name, options.seconds / len(names), seed, options.threads)
        except Exception as error:
            failed += 1
            print(f"{name:20} FAILED: {type(error).__name__}: {error}", flush=True)
            sys.excepthook(type(error), error, error.__traceback__)
            continue
        print(
            f"{name:20} {outcome.rounds:6} rounds {outcome.operations:12} operations "
            f"{outcome.ended_threads:7} ended threads  "
            f"memory {outcome.rss_kib[-1]:8} KiB, growth {outcome.growth_kib():+.0f}",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
