"""Run one function over many items under one execution model, for `ungil compare --task`.

The runner starts this file with one JSON argument. The function is passed by name, never pickled, so
the user's code needs no change. Items and results that are sent between workers are pickled here
instead of inside the executor, so that their size and time can be measured. Before the phase begins
the pool is started and every worker has imported the function. Results are written to standard
output, one line per item, where the runner compares them with those of the other arms. What the
function itself prints goes to standard error.
"""

import importlib
import inspect
import json
import os
import pickle
import re
import select
import sys
import time


class TaskError(Exception):
    """An error for the user: what, why, what to do."""


def load(target):
    """Return the object named by `module:name`."""
    module, _, path = target.partition(":")
    found = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def prepare(where, target):
    """Make `target` importable in a worker with a fresh interpreter, and return a callable for it."""
    if where not in sys.path:
        sys.path.insert(0, where)
    function = load(target)
    if not inspect.iscoroutinefunction(function):
        return function
    import asyncio

    return lambda item: asyncio.run(function(item))


_ready = {}


def worker(where, target):
    """Return the function, prepared once per worker process or interpreter."""
    if target not in _ready:
        _ready[target] = prepare(where, target)
    return _ready[target]


def init_process(where, target, barrier):
    """Initializer of a worker process: prepare, and wait until all others have."""
    worker(where, target)
    barrier.wait(120)


def init_worker(where, target, here, go):
    """First task of a worker of this process: prepare, report on one pipe, and block on the other.

    Because it blocks, each worker gets exactly one of these tasks.
    """
    worker(where, target)
    os.write(here, b".")
    os.read(go, 1)


def start_workers(executor, where, target, workers):
    """Run `init_worker` once in every worker of an in-process pool."""
    (seen, here), (go, release) = os.pipe(), os.pipe()
    waiting = [executor.submit(init_worker, where, target, here, go) for _ in range(workers)]
    arrived = 0
    while arrived < workers:
        broken = next((w for w in waiting if w.done()), None)
        if broken is not None:
            os.write(release, b"." * workers)
            broken.result()
        if select.select([seen], [], [], 0.2)[0]:
            arrived += len(os.read(seen, workers))
    os.write(release, b"." * workers)
    for w in waiting:
        w.result()
    for fd in seen, here, go, release:
        os.close(fd)


def run_chunk(where, target, payload, first, model):
    """In a worker that shares no objects: unpickle the items, call the function, pickle the results.

    Returns the pickled results and the seconds spent on pickling, or the arguments of a TaskError if
    the results cannot be pickled (not every model can pass an exception back).
    """
    began = time.perf_counter()
    items = pickle.loads(payload)
    unpacked = time.perf_counter() - began
    function = worker(where, target)
    results = [function(item) for item in items]
    began = time.perf_counter()
    try:
        back = pack(results, first, model, "the result of ")
    except TaskError as error:
        return None, 0, error.args
    return back, unpacked + time.perf_counter() - began, None


def pack(items, first, model, whose=""):
    """Pickle a chunk; if that fails, name the item (or the item's result) that cannot be pickled."""
    try:
        return pickle.dumps(items, pickle.HIGHEST_PROTOCOL)
    except Exception:
        for i, item in enumerate(items):
            try:
                pickle.dumps(item)
            except Exception as inner:
                first, why = first + i, inner
                break
        raise TaskError(
            f"{whose}item {first} cannot be pickled for the model '{model}'",
            f"{type(why).__name__}: {why}",
            "use plain data for items and results, or remove the model from --models",
        ) from None


def pool(model, where, target, workers):
    """Return the standard library's executor for a model, with every worker started and ready."""
    from concurrent import futures

    if model in ("threads", "interpreters"):
        kind = futures.ThreadPoolExecutor if model == "threads" else futures.InterpreterPoolExecutor
        executor = kind(workers)
        start_workers(executor, where, target, workers)
        return executor
    import multiprocessing

    context = multiprocessing.get_context(model)
    started = (where, target, context.Barrier(workers))
    executor = futures.ProcessPoolExecutor(
        workers, mp_context=context, initializer=init_process, initargs=started
    )
    list(executor.map(abs, range(workers)))
    return executor


def sequential(phase, job, function, items):
    with phase():
        return [function(item) for item in items]


def threads(phase, job, function, chunks):
    with pool("threads", job["where"], job["target"], job["workers"]) as executor:
        with phase():
            done = list(executor.map(lambda chunk: [function(item) for item in chunk], chunks))
    return [result for chunk in done for result in chunk]


def isolated(phase, metric, job, chunks):
    """Processes and interpreters: items and results are copied."""
    model, where, target = job["model"], job["where"], job["target"]
    with pool(model, where, target, job["workers"]) as executor:
        seconds = size = 0
        with phase():
            pending = []
            first = 0
            for chunk in chunks:
                began = time.perf_counter()
                payload = pack(chunk, first, model)
                seconds += time.perf_counter() - began
                size += len(payload)
                first += len(chunk)
                pending.append(
                    executor.submit(run_chunk, where, target, payload, first - len(chunk), model)
                )
            results = []
            for future in pending:
                back, theirs, error = future.result()
                if error:
                    raise TaskError(*error)
                began = time.perf_counter()
                results += pickle.loads(back)
                seconds += theirs + time.perf_counter() - began
                size += len(back)
        metric("serialise_s", seconds)
        metric("serialise_bytes", size)
    return results


def concurrent(phase, job, function, items):
    """`async def`: one event loop, at most `workers` items at a time."""
    import asyncio

    async def main():
        limit = asyncio.Semaphore(job["workers"])

        async def one(item):
            async with limit:
                return await function(item)

        with phase():
            return await asyncio.gather(*map(one, items))

    return asyncio.run(main())


def run(job):
    from ungil_phase import metric, phase

    sys.path.insert(0, job["where"])
    module = job["target"].partition(":")[0]
    try:
        target = load(job["target"])
    except (ImportError, AttributeError) as why:
        raise TaskError(
            f"the task '{job['target']}' cannot be loaded",
            f"{type(why).__name__}: {why}",
            "name it as package.module:function, importable from the current directory or PYTHONPATH",
        ) from None
    if not callable(target):
        raise TaskError(
            f"the task '{job['target']}' is not callable",
            f"it is a {type(target).__name__}",
            "name a function",
        )
    is_async = inspect.iscoroutinefunction(target)
    if job["model"] == "asyncio" and not is_async:
        raise TaskError(
            f"the model 'asyncio' needs an 'async def', and '{job['target']}' is not one",
            "an ordinary function would run its items one after the other on the event loop",
            "make it async, or remove asyncio from --models",
        )
    try:
        items = list(eval(job["items"], dict(vars(sys.modules[module]))))
    except Exception as why:
        raise TaskError(
            f"--items '{job['items']}' gives no items",
            f"{type(why).__name__}: {why}",
            "give an expression such as 'range(64)'",
        ) from None
    if not items:
        raise TaskError(
            f"--items '{job['items']}' is empty",
            "there is nothing to run",
            "give at least one item",
        )
    workers = job["workers"]
    size = job["chunk"] or -(-len(items) // (4 * workers))
    chunks = [items[i : i + size] for i in range(0, len(items), size)]
    function = prepare(job["where"], job["target"])
    if job["model"] != "sequential":
        metric("pieces", len(items if job["model"] == "asyncio" else chunks))
    match job["model"]:
        case "sequential":
            return sequential(phase, job, function, items)
        case "threads":
            return threads(phase, job, function, chunks)
        case "asyncio":
            return concurrent(phase, job, target, items)
        case _:
            return isolated(phase, metric, job, chunks)


def main():
    job = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)
    try:
        results = run(job)
    except TaskError as error:
        for line in zip(("what", "why", "help"), error.args):
            print("ungil-task {}: {}".format(*line), file=sys.stderr)
        sys.exit(70)
    for result in results:
        # The address in a default repr differs from run to run although the result is the same.
        print(re.sub(r" at 0x[0-9a-f]+", " at 0x..", repr(result)), file=out)
    out.close()


if __name__ == "__main__":
    # Workers that unpickle `run_chunk` need it under an importable name, not under __main__.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import ungil_task

    ungil_task.main()
