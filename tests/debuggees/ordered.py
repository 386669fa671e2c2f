"""Eight threads take and release locks in a fixed order forever, which cannot deadlock, and count their work. They stop when
standard input is closed, and the counts are checked: observing them has changed nothing."""
import json
import os
import queue
import sys
import threading
import time

import look

LOCKS = [threading.Lock(), threading.RLock(), threading.Lock(), threading.RLock()]
QUEUE = queue.Queue(4)
COUNTS = [0] * len(LOCKS)
TABLE, LIST, SET = {}, [], set()
STOP = []


def work(number):
    first, rounds = number % len(LOCKS), 0
    while not STOP:
        take(first, len(LOCKS))
        TABLE[number] = rounds
        LIST.append(rounds)
        if len(LIST) > 1000:
            LIST.clear()
        SET.add(rounds % 64)
        if number % 2:
            QUEUE.put(rounds)
        else:
            QUEUE.get()
        rounds += 1
    return rounds


def take(lock, end):
    if lock == end:
        if COUNTS[-1] % 2 == 0:
            time.sleep(0.0005)  # holds every lock, so that the others sleep instead of spinning
        return
    with LOCKS[lock]:
        COUNTS[lock] += 1
        take(lock + 1, end)


def run(number):
    ROUNDS[number] = work(number)


def unblock():
    """Releases threads that still wait for the queue after the others have stopped."""
    while any(worker.is_alive() for worker in workers):
        for step in (QUEUE.get_nowait, lambda: QUEUE.put_nowait(0)):
            try:
                step()
            except (queue.Empty, queue.Full):
                pass
        workers[0].join(0.001)


ROUNDS = [0] * 8
workers = [look.thread(f"worker-{number}", run, number) for number in range(8)]
for worker in workers:
    look.state(worker, "running", "gil", "lock", "event", "native", "syscall", "suspended")
    look.row_of(worker).update(waits="any", frames="moving", may=[hex(id(lock)) for lock in [*LOCKS, QUEUE.mutex]])
look.write(look.truth(sys._getframe(), {})), look.stay()  # one line, so that the stack does not change
STOP.append(True)
unblock()
expected = [sum(ROUNDS[n] for n in range(8) if n % len(LOCKS) <= lock) for lock in range(len(LOCKS))]
print(json.dumps({"right": expected == COUNTS, "rounds": sum(ROUNDS)}), flush=True)
os._exit(expected != COUNTS)
