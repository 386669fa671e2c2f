"""A thread asks a loop that runs in another thread with run_coroutine_threadsafe."""

import asyncio
import threading

TOTALS = {}


async def compute(count):
    await asyncio.sleep(0)
    TOTALS[count] = TOTALS.get(count, 0) + 1
    return sum(range(count))


def run_loop(loop):
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.close()


def ask(loop, answers):
    for _ in range(20):
        answers.append(asyncio.run_coroutine_threadsafe(compute(100), loop).result(timeout=4))


def main():
    loop = asyncio.new_event_loop()
    answers = []
    runner = threading.Thread(target=run_loop, args=(loop,))
    threads = [threading.Thread(target=ask, args=(loop, answers)) for _ in range(2)]
    for thread in (runner, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    loop.call_soon_threadsafe(loop.stop)
    runner.join()
    assert answers == [4950] * 40 and TOTALS == {100: 40}


if __name__ == "__main__":
    main()
