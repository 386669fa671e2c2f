"""Coroutines that put into and get from queues."""

import asyncio
import gc
import queue
import threading
import weakref

import pytest
from test_queues import KINDS, BackgroundCall, start_waiting

from ungil import DelayQueue, Queue


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def run(coroutine):
    async def limited():
        async with asyncio.timeout(60):
            return await coroutine

    return asyncio.run(limited())


async def settle():
    """Runs every task that can make progress."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_both_ends_in_one_loop(kind):
    async def main():
        q = kind(1)

        async def consume():
            return [await q.get_async() for _ in range(100)]

        consumer = asyncio.create_task(consume())
        for i in range(100):
            await q.put_async(i)
        return await consumer

    assert run(main()) == list(range(100))


def test_a_thread_at_one_end(kind):
    async def main(q):
        return [await q.get_async() for _ in range(500)]

    q = kind(3)
    producer = BackgroundCall(lambda: [q.put(i) for i in range(500)])
    assert sorted(run(main(q))) == list(range(500))
    producer.result()

    async def produce(q):
        for i in range(500):
            await q.put_async(i)

    consumer = BackgroundCall(lambda: [q.get() for _ in range(500)])
    run(produce(q))
    assert sorted(consumer.result()) == list(range(500))


def test_loops_of_many_threads():
    q = Queue(4)

    async def put():
        for i in range(200):
            await q.put_async(i)

    async def get():
        return [await q.get_async() for _ in range(200)]

    ends = [BackgroundCall(lambda c=c: asyncio.run(c())) for c in (put, get, put, get)]
    outcomes = [end.result() for end in ends]
    assert sorted(outcomes[1] + outcomes[3]) == sorted(list(range(200)) * 2)


def test_join_async(kind):
    async def main():
        q = kind()
        await q.join_async()
        q.put(1)
        joiner = asyncio.create_task(q.join_async())
        await settle()
        assert not joiner.done()
        q.get()
        q.task_done()
        await joiner

    run(main())


def test_cancelled_getters_lose_nothing(kind):
    async def main():
        q = kind()
        getters = [asyncio.create_task(q.get_async()) for _ in range(3)]
        await settle()
        q.put(1)
        # The first waiter was woken in this very tick.
        getters[0].cancel()
        await settle()
        assert getters[0].cancelled()
        assert await getters[1] == 1
        getters[2].cancel()
        await settle()
        q.put(2)
        assert q.get_nowait() == 2

    run(main())


def test_cancelled_putters_put_nothing(kind):
    async def main():
        q = kind(1)
        await q.put_async(1)
        putters = [asyncio.create_task(q.put_async(i)) for i in (2, 3)]
        await settle()
        assert q.get() == 1
        putters[0].cancel()
        await settle()
        assert await q.get_async() == 3
        assert q.empty()

    run(main())


def test_timeout(kind):
    async def main():
        q = kind()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(q.get_async(), 0.01)
        q.put(1)
        assert await q.get_async() == 1

    run(main())


def test_shutdown_wakes_coroutines(kind):
    async def main():
        q, full = kind(), kind(1)
        full.put(1)
        tasks = [asyncio.create_task(c) for c in (q.get_async(), q.get_async(), full.put_async(2))]
        await settle()
        threading.Thread(target=lambda: (q.shutdown(), full.shutdown())).start()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(e) for e in run(main())] == [queue.ShutDown] * 3


def test_a_closed_loop_loses_no_item(kind):
    q = kind()
    loop = asyncio.new_event_loop()
    abandoned = [loop.create_task(q.get_async()) for _ in range(5)]
    loop.run_until_complete(settle())
    loop.close()
    getter = start_waiting(q.get)
    q.put(1)
    assert getter.result() == 1
    for task in abandoned:
        # asyncio warns about tasks that it could not finish.
        task._log_destroy_pending = False


def test_abandoned_coroutines_are_collected(kind):
    q = kind()
    loop = asyncio.new_event_loop()
    task = loop.create_task(q.get_async())
    task._log_destroy_pending = False
    loop.run_until_complete(settle())
    loop.close()
    seen = weakref.ref(q)
    del q, task, loop
    gc.collect()
    gc.collect()
    assert seen() is None


def test_delays_awaited():
    async def main():
        q = DelayQueue()
        late = asyncio.create_task(q.get_async())
        await settle()
        q.put("b", 0.03)
        q.put("a", 0.01)
        got = [await late, await q.get_async()]
        late = asyncio.create_task(q.get_async())
        await settle()
        late.cancel()
        await settle()
        q.put("c")
        return got + [q.get_nowait()]

    assert run(main()) == ["a", "b", "c"]
