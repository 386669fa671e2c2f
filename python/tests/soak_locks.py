"""Locks and synchronizers under the soak.

What they guard is changed in several steps, which a second thread would disturb.
"""

import threading

from soak_base import Subject
from soak_parts import Boom, total

import ungil

TIMEOUT_S = 0.002


class Guarded:
    """Two numbers that are equal except during a change."""

    def __init__(self):
        self.one = self.other = 0

    def change(self):
        one, other = self.one, self.other
        assert one == other, "two threads were inside"
        self.one = one + 1
        self.other = other + 1

    def look(self):
        one = self.one
        assert one == self.other, "a writer was active"


class Lock(Subject):
    """Held by at most one thread, even if holders raise and waiters time out."""

    name = "Lock"

    def make(self):
        return ungil.Lock()

    def __init__(self):
        self.lock = self.make()
        self.guarded = Guarded()

    def step(self, rng, log):
        match rng.randrange(4):
            case 0 | 1:
                with self.lock:
                    self.guarded.change()
                    log.counts["changes"] += 1
                    if rng.random() < 0.1:
                        raise Boom
            case 2:
                if self.lock.acquire(timeout=rng.random() * TIMEOUT_S):
                    try:
                        self.guarded.change()
                        log.counts["changes"] += 1
                    finally:
                        self.lock.release()
            case 3:
                if self.lock.acquire(False):
                    self.guarded.change()
                    log.counts["changes"] += 1
                    self.lock.release()

    def verify(self, logs):
        assert self.guarded.one == self.guarded.other == total(logs, "changes")
        assert self.lock.acquire(False)


class FairLock(Lock):
    """As `Lock`, first come first served."""

    name = "Lock, fair"

    def make(self):
        return ungil.Lock(fair=True)


class RLock(Lock):
    """As `Lock`, with a re-entrant lock."""

    name = "RLock"

    def make(self):
        return ungil.RLock()

    def step(self, rng, log):
        if rng.random() < 0.5:
            return super().step(rng, log)
        with self.lock:
            super().step(rng, log)


class Striped(Lock):
    """One lock for each key."""

    name = "StripedLock"

    def __init__(self):
        self.locks = ungil.StripedLock(8)
        self.guarded = [Guarded() for _ in range(3)]

    def step(self, rng, log):
        key = rng.randrange(3)
        with self.locks[key]:
            self.guarded[key].change()
            log.counts["changes"] += 1

    def verify(self, logs):
        assert sum(guarded.one for guarded in self.guarded) == total(logs, "changes")


class ReadWrite(Subject):
    """Readers never see an incomplete change."""

    name = "RWLock"

    def __init__(self):
        self.lock = ungil.RWLock()
        self.guarded = Guarded()

    def step(self, rng, log):
        if rng.random() < 0.7:
            with self.lock.read():
                self.guarded.look()
        elif rng.random() < 0.5:
            with self.lock.write():
                self.guarded.change()
                log.counts["changes"] += 1
                if rng.random() < 0.1:
                    raise Boom
        elif self.lock.acquire_write(timeout=rng.random() * TIMEOUT_S):
            self.guarded.change()
            log.counts["changes"] += 1
            self.lock.release_write()

    def verify(self, logs):
        assert self.guarded.one == self.guarded.other == total(logs, "changes")
        with self.lock.write():
            pass


class Stamped(Subject):
    """A validated optimistic read never saw an incomplete change."""

    name = "StampedLock"

    def __init__(self):
        self.lock = ungil.StampedLock()
        self.guarded = Guarded()

    def step(self, rng, log):
        if rng.random() < 0.7:
            stamp = self.lock.try_optimistic_read()
            one, other = self.guarded.one, self.guarded.other
            if stamp and self.lock.validate(stamp):
                assert one == other, "a validated read saw an incomplete change"
        else:
            stamp = self.lock.write_lock() if rng.random() < 0.5 else self.converted()
            try:
                self.guarded.change()
                log.counts["changes"] += 1
            finally:
                self.lock.unlock_write(stamp)

    def converted(self):
        """Upgrades a read lock to the write lock, or acquires that if another reader is active."""
        stamp = self.lock.read_lock()
        self.guarded.look()
        if written := self.lock.try_convert_to_write(stamp):
            return written
        self.lock.unlock_read(stamp)
        return self.lock.write_lock()

    def verify(self, logs):
        assert self.guarded.one == total(logs, "changes")


class Semaphore(Subject):
    """At most as many threads inside as there are permits."""

    name = "Semaphore"

    def __init__(self):
        self.semaphore = ungil.Semaphore(2)
        self.inside = ungil.AtomicInt(0)

    def step(self, rng, log):
        if self.semaphore.acquire(timeout=rng.random() * TIMEOUT_S):
            try:
                assert self.inside.increment_and_get() <= 2
                self.inside.decrement_and_get()
            finally:
                self.semaphore.release()

    def verify(self, logs):
        assert (
            self.semaphore.acquire(False)
            and self.semaphore.acquire(False)
            and not self.semaphore.acquire(False)
        )


class Meeting(Subject):
    """A barrier with timeouts, and a latch."""

    name = "Barrier, Latch"

    def __init__(self):
        self.barrier = ungil.Barrier(3)
        self.latch = ungil.Latch(50)

    def step(self, rng, log):
        try:
            if rng.random() < 0.8:
                log.counts[self.barrier.wait(timeout=TIMEOUT_S)] += 1
            else:
                self.barrier.reset()
        except threading.BrokenBarrierError:
            self.barrier.reset()
        if rng.random() < 0.1:
            self.latch.count_down()
            self.latch.wait(timeout=TIMEOUT_S)

    def close(self):
        self.barrier.abort()

    def verify(self, logs):
        # Each passing thread gets a different index: indices 0, 1 and 2 occur equally often, even
        # if some waits timed out or were aborted.
        assert total(logs, 0) == total(logs, 1) == total(logs, 2)


class Phases(Subject):
    """Threads register at a phaser, take part in some phases and leave.

    Nobody is a phase ahead of a registered thread.
    """

    name = "Phaser"

    def __init__(self):
        self.phaser = ungil.Phaser(on_advance=lambda phase, parties: False)

    def step(self, rng, log):
        phase = self.phaser.register()
        for _ in range(rng.randrange(4)):
            arrived = self.phaser.arrive()
            assert arrived == phase, (arrived, phase)
            phase = self.phaser.await_advance(arrived)
            assert phase == arrived + 1, (phase, arrived)
        assert self.phaser.arrive_and_deregister() == phase

    def verify(self, logs):
        assert self.phaser.parties == 0


class Signal(Subject):
    """An event that is set and cleared while threads wait for it."""

    name = "Event"

    def __init__(self):
        self.event = ungil.Event()

    def step(self, rng, log):
        match rng.randrange(4):
            case 0:
                self.event.set()
            case 1:
                self.event.clear()
            case 2:
                self.event.wait(timeout=rng.random() * TIMEOUT_S)
            case 3:
                self.event.is_set()

    def verify(self, logs):
        self.event.set()
        assert self.event.wait(timeout=60)


LOCKS = [Lock, FairLock, RLock, Striped, ReadWrite, Stamped, Semaphore, Meeting, Phases, Signal]
