"""An event loop and a thread: `event_loops.py CASE` blocks as in CASE or only seems to. Creates `ready`."""
import asyncio
import sys
import threading
import time

lock, other = threading.Lock(), threading.Lock()


def ready():
    open("ready", "w").close()


def report_soon():
    """Creates the file `ready` once the loop's thread is blocked."""
    threading.Timer(0.3, ready).start()


async def keeps(held, released):
    with held:
        await released.wait()


async def holds_a_lock_across_an_await():
    """The loop's thread waits for a lock held by one of its own coroutines."""
    keeper = asyncio.create_task(keeps(lock, asyncio.Event()), name="keeper")
    await asyncio.sleep(0.01)
    report_soon()
    with lock:
        keeper.cancel()


async def nothing():
    return 1


async def joins_a_thread_that_waits_for_the_loop():
    loop = asyncio.get_running_loop()
    worker = threading.Thread(target=lambda: asyncio.run_coroutine_threadsafe(nothing(), loop).result(), name="asks")
    worker.start()
    report_soon()
    worker.join()


async def wants_the_lock_of_a_thread_that_waits_for_the_loop():
    loop, started = asyncio.get_running_loop(), threading.Event()

    async def slow():
        started.set()
        await asyncio.sleep(3600)

    def asks():
        with lock:
            asyncio.run_coroutine_threadsafe(slow(), loop).result()
    threading.Thread(target=asks, name="asks").start()
    while not started.is_set():
        await asyncio.sleep(0.001)
    report_soon()
    with lock:
        pass


async def a_thread_wants_what_a_free_loop_will_release():
    """A coroutine holds a lock across an await, and the loop is not blocked."""
    asyncio.create_task(keeps(lock, asyncio.Event()), name="keeper")
    await asyncio.sleep(0.01)

    def wants():
        with lock:
            pass
    threading.Thread(target=wants, name="wants", daemon=True).start()
    report_soon()
    await asyncio.sleep(3600)


async def a_thread_waits_for_a_free_loop():
    async def slow():
        await asyncio.sleep(3600)
    loop = asyncio.get_running_loop()
    work = threading.Thread(target=lambda: asyncio.run_coroutine_threadsafe(slow(), loop).result(), name="asks", daemon=True)
    work.start()
    report_soon()
    await asyncio.sleep(3600)


async def the_loop_waits_for_a_lock_that_a_busy_thread_holds():
    def works():
        with lock:
            time.sleep(3600)
    threading.Thread(target=works, name="works", daemon=True).start()
    asyncio.create_task(keeps(other, asyncio.Event()), name="keeper")
    await asyncio.sleep(0.01)
    report_soon()
    with lock:
        pass


asyncio.run(globals()[sys.argv[1]]())
