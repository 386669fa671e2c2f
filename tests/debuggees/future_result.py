"""A pool with one blocked worker; threads wait for the result of its task and of a queued one."""
import threading
from concurrent.futures import ThreadPoolExecutor

import look


def stuck():
    IDS.append((threading.current_thread().name, threading.get_native_id(), threading.get_ident()))
    look.stay()


IDS = []
pool = ThreadPoolExecutor(1, thread_name_prefix="pool")
futures = [pool.submit(stuck), pool.submit(stuck)]
look.until(lambda: IDS, "the worker")
Worker = type("Worker", (), {"native_id": IDS[0][1]})
look.known(*IDS[0])
for number, future in enumerate(futures):
    waiter = look.thread(f"wants-{number}", future.result)
    look.waits(waiter, future._condition, Worker, confidence="unknown", also=[future])
look.tell()
