"""Reducing a table with several threads."""

import os
import threading


def reduce(structure, function, combine, initial, workers):
    """`combine` over `function` of every entry, the parts dealt out to `workers` threads, of which the caller's is one."""
    if workers is None:
        workers = os.process_cpu_count() or 1
    if isinstance(workers, bool) or not isinstance(workers, int):
        raise TypeError(f"workers must be an int, not {type(workers).__name__}")
    if workers < 1:
        raise ValueError("workers must be at least 1")
    parts = iter(range(structure._shards()))
    lock = threading.Lock()
    results = []
    errors = []

    def work():
        total = initial
        try:
            while not errors:
                with lock:
                    part = next(parts, None)
                if part is None:
                    break
                for entry in structure._shard(part):
                    total = combine(total, function(entry))
            results.append(total)
        except BaseException as error:
            errors.append(error)

    wanted = min(workers, structure._shards(), 1 + len(structure) // 256)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(wanted - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    total = results[0]
    for result in results[1:]:
        total = combine(total, result)
    return total
