"""A service with lock contention, to inspect with `ungil dump`, `ungil profile --mode lock` and `ungil top`.

Clerks take orders and price them with a shared cache. Some orders move goods between two warehouses, which takes both their
locks in the order in which the customer named them. With --deadlock two customers name them in opposite orders at the same
time.
"""

import argparse
import threading
import time

prices = {}
prices_lock = threading.Lock()
warehouses = {name: threading.Lock() for name in ("north", "south")}
running = True


def price(item):
    with prices_lock:
        if item not in prices:
            prices[item] = sum(i * i for i in range(20_000)) % 1000
        return prices[item]


def refresh():
    """Clears the cache at intervals, and holds its lock while doing so."""
    while running:
        with prices_lock:
            prices.clear()
            time.sleep(0.02)
        time.sleep(0.03)


def clerk():
    order = 0
    while running:
        order += 1
        price(order % 50)
        sum(range(2_000))


def move(source, target, ready):
    with warehouses[source]:
        if ready:
            ready.wait()
        with warehouses[target]:
            pass


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--clerks", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=3600)
    arguments.add_argument("--deadlock", action="store_true")
    asked = arguments.parse_args()
    threads = [
        threading.Thread(target=clerk, name=f"clerk-{i}", daemon=True)
        for i in range(1, asked.clerks + 1)
    ]
    threads.append(threading.Thread(target=refresh, name="refresh", daemon=True))
    if asked.deadlock:
        both = threading.Barrier(2)
        for source, target in (("north", "south"), ("south", "north")):
            name = f"{source}-to-{target}"
            threads.append(
                threading.Thread(target=move, args=(source, target, both), name=name, daemon=True)
            )
    for thread in threads:
        thread.start()
    time.sleep(asked.seconds)
    running = False
