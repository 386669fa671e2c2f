import multiprocessing
import os
import subprocess
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


class Server:
    def __init__(self):
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        pass

    def child(self):
        return os.fork()  # expect: ungil/fork-with-threads high


def run(work):
    threading.Thread(target=work).start()
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:  # expect: ungil/fork-with-threads high
        pool.submit(work)


def before(work):
    if os.fork() == 0:  # expect: ungil/fork-with-threads medium
        return
    threading.Thread(target=work).start()


def method():
    multiprocessing.set_start_method("fork")  # expect: ungil/fork-with-threads medium
    subprocess.run(["true"], preexec_fn=os.setsid)  # expect: ungil/preexec-fn medium
