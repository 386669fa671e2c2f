"""Parallel `reduce` over the shards of a map or set."""

import os
import threading


def reduce(structure, function, combine, initial, workers):
    """Folds `function(entry)` of every entry with `combine`, in `workers` threads.

    The calling thread is one of the workers. Each worker takes the next shard until none is left.
    """
    if workers is None:
        workers = os.process_cpu_count() or 1
    if isinstance(workers, bool) or not isinstance(workers, int):
        raise TypeError(f"workers must be an int, not {type(workers).__name__}")
    if workers < 1:
        raise ValueError("workers must be at least 1")
    shards = iter(range(structure._shards()))
    lock = threading.Lock()
    results = []
    errors = []

    def work():
        total = initial
        try:
            while not errors:
                with lock:
                    shard = next(shards, None)
                if shard is None:
                    break
                for entry in structure._shard(shard):
                    total = combine(total, function(entry))
            results.append(total)
        except BaseException as error:
            errors.append(error)

    # One more thread for every 256 entries: the caller alone reduces a small table.
    count = min(workers, structure._shards(), 1 + len(structure) // 256)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count - 1)]
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
