"""Threads that take locks in some order: `lock_orders.py CASE`. They take turns and never hang. Creates `ready`."""
import contextlib
import sys
import threading
import time

a, b, c, gate = (threading.Lock() for _ in range(4))
ra, rb = threading.RLock(), threading.RLock()
condition, slots = threading.Condition(), threading.Semaphore(2)


class Account:
    def __init__(self):
        self.lock = threading.Lock()


first, second = Account(), Account()


def rest():
    time.sleep(0.02)


def both(outer, inner):
    with outer:
        with inner:
            rest()


def within(lock, then):
    with lock:
        then()


@contextlib.contextmanager
def entered(lock):
    with lock:
        yield


def managed(outer, inner):
    with entered(outer), entered(inner):
        rest()


def stacked(outer, inner):
    with contextlib.ExitStack() as stack:
        stack.enter_context(outer)
        stack.enter_context(inner)
        rest()


def transfer(source, target):
    with source.lock:
        with target.lock:
            rest()


def ordered(*accounts):
    transfer(*sorted(accounts, key=id))


def again(lock, other):
    with lock, other, lock:
        rest()


def fresh():
    """Two new locks each time, which may swap the addresses of the previous ones."""
    pair = [threading.Lock(), threading.Lock()]
    both(pair[0], pair[1])
    del pair[:]


def gated(outer, inner):
    with gate:
        both(outer, inner)


CASES = {
    # Potential deadlocks.
    "two_locks": [lambda: both(a, b), lambda: both(b, a)],
    "three_locks": [lambda: both(a, b), lambda: both(b, c), lambda: both(c, a)],
    "two_rlocks": [lambda: both(ra, rb), lambda: both(rb, ra)],
    "accounts": [lambda: transfer(first, second), lambda: transfer(second, first)],
    "through_calls": [lambda: within(a, lambda: within(b, rest)), lambda: both(b, a)],
    "context_managers": [lambda: managed(a, b), lambda: managed(b, a)],
    "exit_stacks": [lambda: stacked(a, b), lambda: stacked(b, a)],
    "a_gate_of_one": [lambda: gated(a, b), lambda: both(b, a)],
    "condition_and_lock": [lambda: both(condition, a), lambda: both(a, condition)],
    # No potential deadlock.
    "one_order": [lambda: both(a, b), lambda: both(a, b)],
    "a_common_gate": [lambda: gated(a, b), lambda: gated(b, a)],
    "different_instances": [lambda: both(a, first.lock), lambda: both(second.lock, b)],
    "taken_again": [lambda: again(ra, rb), lambda: both(ra, rb)],
    "one_thread": [lambda: (both(a, b), both(b, a)), rest],
    "new_locks_each_time": [fresh, fresh],
    "three_in_order": [lambda: both(a, b), lambda: both(b, c), lambda: both(a, c)],
    "sorted_accounts": [lambda: ordered(first, second), lambda: ordered(second, first)],
    "counting_semaphores": [lambda: both(slots, a), lambda: both(a, slots)],
}


def take_turns(works):
    turns = [threading.Semaphore(0) for _ in works]

    def run(index):
        while True:
            turns[index].acquire()
            works[index]()
            turns[(index + 1) % len(works)].release()
    for index in range(len(works)):
        threading.Thread(target=run, args=(index,), name=f"worker-{index + 1}").start()
    turns[0].release()


take_turns(CASES[sys.argv[1]])
open("ready", "w").close()
