"""Queues under the soak: threads wait, time out and shut the queue down at both ends.

Every item comes out exactly once, and those of one producer in order.
"""

import asyncio
import queue

from soak_base import Subject
from soak_parts import Boom, ReentrantToken, Token, balance

import ungil

TIMEOUT_S = 0.0005


class Queue(Subject):
    """A bounded queue."""

    name = "Queue"
    ordered = True

    def __init__(self):
        self.queue = ungil.Queue(7)

    def item(self, rng, log):
        return log.token()

    def step(self, rng, log):
        item = self.item(rng, log)
        try:
            match rng.randrange(8):
                case 0 | 1:
                    self.queue.put(item, timeout=TIMEOUT_S)
                    log.put.append(item)
                case 2:
                    self.queue.put_nowait(item)
                    log.put.append(item)
                case 3 | 4:
                    log.got.append(self.queue.get(timeout=TIMEOUT_S))
                case 5:
                    log.got.append(self.queue.get_nowait())
                case 6:
                    self.many(rng, log)
                case 7:
                    assert 0 <= self.queue.qsize() <= 7 or not self.bounded()
        except queue.Empty, queue.Full, queue.ShutDown:
            pass

    def bounded(self):
        return self.queue.maxsize > 0

    def many(self, rng, log):
        log.got.extend(self.queue.get_many(rng.randrange(1, 5), timeout=TIMEOUT_S))

    def close(self):
        self.queue.shutdown()

    def verify(self, logs):
        left = []
        try:
            while True:
                left.append(self.queue.get_nowait())
        except queue.Empty, queue.ShutDown:
            pass
        balance(logs, left)
        if self.ordered:
            for got in (*(log.got for log in logs), left):
                last = {}
                for token in got:
                    assert token.number > last.get(token.producer, 0), (
                        "a producer's items came out of order"
                    )
                    last[token.producer] = token.number


class Unbounded(Queue):
    """An unbounded queue, with several items put at once."""

    name = "Queue, unbounded"

    def __init__(self):
        self.queue = ungil.Queue()

    def many(self, rng, log):
        if rng.random() < 0.5:
            return super().many(rng, log)
        items = [log.token() for _ in range(rng.randrange(5))]
        self.queue.put_many(items)
        log.put.extend(items)


class Lifo(Queue):
    """A stack."""

    name = "LifoQueue"
    ordered = False

    def __init__(self):
        self.queue = ungil.LifoQueue(7)

    def many(self, rng, log):
        pass


class Incomparable(Token):
    """An item whose comparison sometimes raises."""

    __slots__ = ("rng",)

    def __lt__(self, other):
        if self.number % 50 == 7:
            raise Boom
        return self.number < other.number


class Priority(Lifo):
    """Items whose comparison may raise; the call must then have changed nothing."""

    name = "PriorityQueue"

    def __init__(self):
        self.queue = ungil.PriorityQueue(7)

    def item(self, rng, log):
        log.made += 1
        return Incomparable(log.thread, rng.randrange(1000))

    def verify(self, logs):
        left = []
        while self.queue.qsize():
            try:
                left.append(self.queue.get_nowait())
            except Boom:
                # An item that cannot be compared blocks the queue: it and the rest stay.
                return
        balance(logs, left)


class Counted(Subject):
    """`task_done` and `join`: join waits for everything that was put."""

    name = "Queue, join"

    def __init__(self):
        self.queue = ungil.Queue(5)

    def step(self, rng, log):
        try:
            if rng.random() < 0.5:
                self.queue.put(1, timeout=TIMEOUT_S)
                log.counts["put"] += 1
            else:
                self.queue.get(timeout=TIMEOUT_S)
                log.counts["got"] += 1
                self.queue.task_done()
        except queue.Empty, queue.Full, queue.ShutDown:
            pass

    def close(self):
        self.queue.shutdown()

    def verify(self, logs):
        try:
            while True:
                self.queue.get_nowait()
                self.queue.task_done()
        except queue.Empty, queue.ShutDown:
            pass
        self.queue.join()
        try:
            self.queue.task_done()
        except ValueError:
            return
        raise AssertionError("an extra task_done() did not raise")


class ReentrantTokenQueue(Subject):
    """Items whose finalizers use the queue, and queues that contain themselves."""

    name = "Queue, finalizers"

    def __init__(self):
        self.queue = ungil.Queue()

    def step(self, rng, log):
        try:
            match rng.randrange(4):
                case 0 | 1:
                    self.queue.put(ReentrantToken(self.queue, lambda queue: queue.put_nowait(1)))
                case 2:
                    for _ in range(3):
                        self.queue.get_nowait()
                case 3:
                    self.queue.put(self.queue)
        except queue.Empty:
            pass


class Exchange(Subject):
    """One thread gets what the other gives, or keeps its item when nobody comes."""

    name = "Exchanger"

    def __init__(self):
        self.exchanger = ungil.Exchanger()

    def step(self, rng, log):
        token = log.token()
        try:
            got = self.exchanger.exchange(token, timeout=TIMEOUT_S)
        except TimeoutError:
            return
        log.put.append(token)
        log.got.append(got)

    def verify(self, logs):
        balance(logs, [])


class Delay(Subject):
    """Items that come out when they are due."""

    name = "DelayQueue"

    def __init__(self):
        self.queue = ungil.DelayQueue()

    def step(self, rng, log):
        try:
            if rng.random() < 0.5:
                token = log.token()
                self.queue.put(token, rng.random() * 0.002)
                log.put.append(token)
            else:
                log.got.append(self.queue.get(timeout=TIMEOUT_S))
        except queue.Empty, queue.ShutDown:
            pass

    def verify(self, logs):
        left = []
        while self.queue.qsize():
            left.append(self.queue.get(timeout=60))
        balance(logs, left)


class Awaited(Subject):
    """Event loops and threads at both ends of one queue; awaits are cancelled."""

    name = "Queue, asyncio"

    def __init__(self):
        self.queue = ungil.Queue(3)

    def step(self, rng, log):
        if rng.random() < 0.5:
            asyncio.run(self.converse(rng, log))
            return
        try:
            if rng.random() < 0.5:
                token = log.token()
                self.queue.put(token, timeout=TIMEOUT_S)
                log.put.append(token)
            else:
                log.got.append(self.queue.get(timeout=TIMEOUT_S))
        except queue.Empty, queue.Full, queue.ShutDown:
            pass

    async def converse(self, rng, log):
        for _ in range(20):
            try:
                if rng.random() < 0.5:
                    token = log.token()
                    task = asyncio.ensure_future(self.queue.put_async(token))
                else:
                    token, task = None, asyncio.ensure_future(self.queue.get_async())
                await asyncio.wait([task], timeout=rng.random() * TIMEOUT_S)
                # A task is either cancelled or done, and a done task has its item.
                task.cancel()
                result = await task
            except asyncio.CancelledError:
                continue
            except queue.ShutDown:
                return
            if token is None:
                log.got.append(result)
            else:
                log.put.append(token)

    def close(self):
        self.queue.shutdown()

    def verify(self, logs):
        left = []
        try:
            while True:
                left.append(self.queue.get_nowait())
        except queue.Empty, queue.ShutDown:
            pass
        balance(logs, left)


QUEUES = [Queue, Unbounded, Lifo, Priority, Counted, ReentrantTokenQueue, Exchange, Delay, Awaited]
