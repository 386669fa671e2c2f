"""Uses of the package whose types mypy and pyright must both accept.

`test_stubs.py` checks this file; it is never run.

A line that must be rejected carries the suppression comments of both checkers. A suppression that
is not needed is an error too.
"""

import concurrent.futures
from collections import Counter
from collections.abc import Buffer, MutableMapping, Sequence
from typing import assert_type

from ungil import (
    ABSENT,
    Accumulator,
    Adder,
    AppendList,
    Array,
    AtomicFlag,
    AtomicInt,
    AtomicRef,
    Barrier,
    ConcurrentCounter,
    ConcurrentDict,
    ConcurrentSet,
    DelayQueue,
    Event,
    Exchanger,
    Future,
    Latch,
    LifoQueue,
    Lock,
    MappedArray,
    PerThread,
    Phaser,
    PriorityQueue,
    Queue,
    RLock,
    RWLock,
    Semaphore,
    StampedLock,
    StripedLock,
    ThreadPool,
    frozen,
    phase,
    share,
    sharing_of,
)

# Sharing.

assert_type(share([1, 2, 3]), list[int])
assert_type(share({"a": 1.5}, immortal=True), dict[str, float])
share()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
frozen({"a": [1]}, immortal=False)
assert_type(sharing_of(None), str)
with phase():
    pass

# Atomics.

adder = Adder()
adder.add(1)
adder.add(1.5)
assert_type(adder.sum(), int | float)
adder.add("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

number = AtomicInt(5)
assert_type(number.increment_and_get(), int)
assert_type(number.compare_and_set(5, 6), bool)
assert_type(number.update_and_get(lambda n: n * 2), int)
assert_type(int(number), int)
number += 1
assert_type(number, AtomicInt)

flag = AtomicFlag()
assert_type(flag.test_and_set(), bool)

reference = AtomicRef("a")
assert_type(reference, AtomicRef[str])
assert_type(reference.get(), str)
assert_type(reference.update_and_get(str.upper), str)
reference.set(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

largest: Accumulator[int] = Accumulator(max, 0)
largest.accumulate(3)
assert_type(largest.get(), int)

# Arrays.

words = Array(["a", "b"])
assert_type(words, Array[str])
assert_type(words[0], str)
assert_type(words[0:1], list[str])
assert_type(words.swap(0, "c"), str)
words[0] = 1  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
row: Sequence[str] = words
integers = Array(10, "q")
assert_type(integers, Array[int])
assert_type(integers.add_and_get(0, 1), int)
floats = Array(10, "d", fill=0.5)
assert_type(floats, Array[float])
memory: Buffer = floats
words.add(0, "d")  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]

log: AppendList[str] = AppendList()
assert_type(log.append("x"), int)
assert_type(log[0], str)
assert_type(log.snapshot(), list[str])

with MappedArray("numbers.bin", "d", length=3) as mapped:
    assert_type(mapped[0:2], memoryview)
    mapped[0] = 1.0  # type: ignore[index]  # pyright: ignore[reportIndexIssue]

# Maps.

ages = ConcurrentDict({"a": 1})
assert_type(ages, ConcurrentDict[str, int])
mapping: MutableMapping[str, int] = ages
assert_type(ages["a"], int)
assert_type(ages.get("b"), int | None)
assert_type(ages.pop("b", None), int | None)
assert_type(ages.compute_if_absent("c", len), int)
assert_type(ages.snapshot(), dict[str, int])
assert_type(ages.compare_and_set("a", 1, ABSENT), bool)
assert_type(ages.reduce(lambda key, n: n, max, 0), int)
ages[1] = 1  # type: ignore[index]  # pyright: ignore[reportArgumentType]

seen: ConcurrentSet[str] = ConcurrentSet()
assert_type(seen.add("a"), bool)
assert_type(seen | {1}, ConcurrentSet[str | int])

counts = ConcurrentCounter("abc")
assert_type(counts, ConcurrentCounter[str])
assert_type(counts["a"], int)
assert_type(counts.snapshot(), Counter[str])

# Queues.

jobs: Queue[int] = Queue(10)
jobs.put(1, timeout=1.5)
assert_type(jobs.get(), int)
assert_type(jobs.get_many(5), list[int])
jobs.put("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
fifo: Queue[int] = LifoQueue[int]()
first: Queue[tuple[int, str]] = PriorityQueue[tuple[int, str]]()
due: DelayQueue[str] = DelayQueue()
due.put("x", 1.5)
assert_type(Exchanger[int]().exchange(1), int)


async def awaits() -> None:
    assert_type(await jobs.get_async(), int)
    assert_type(await jobs.put_async(1), None)


# Locks.

lock = Lock(fair=True)
with lock:
    assert_type(lock.owner, int | None)
assert_type(lock.acquire(timeout=1.5), bool)
with (
    RLock(),
    RWLock().read(),
    RWLock().write(),
    StripedLock(8)["key"],
    StripedLock().all(),
    Semaphore(2),
):
    pass
stamped = StampedLock()
stamp = stamped.try_optimistic_read()
assert_type(stamp, int)
assert_type(stamped.validate(stamp), bool)
assert_type(Event().wait(1.0), bool)
assert_type(Latch(2).count_down(), int)
assert_type(Barrier(2, action=lambda: None).wait(), int)
assert_type(Phaser(1).arrive(), int)
Lock(fair="yes", unknown=1)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]


# Pools.


def square(n: int) -> int:
    return n * n


with ThreadPool(2, thread_name_prefix="p") as pool:
    executor: concurrent.futures.Executor = pool
    future = pool.submit(square, 3)
    assert_type(future, Future[int])
    assert_type(future.result(), int)
    assert_type(list(pool.map(square, range(3))), list[int])
    assert_type(pool.reduce(lambda total, n: total + n, [1.0], 0.0), float)
    pool.parallel_for(square, range(3), grain=10)
    pool.submit(square, "3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

lists = PerThread(list[int])
assert_type(lists, PerThread[list[int]])
lists().append(1)
assert_type(lists.values(), list[list[int]])
assert_type(lists.combine(lambda total, own: total + len(own), 0), int)
