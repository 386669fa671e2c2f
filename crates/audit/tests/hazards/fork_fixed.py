import multiprocessing
import subprocess
import threading


def run(work):
    threading.Thread(target=work).start()
    multiprocessing.set_start_method("forkserver")
    multiprocessing.get_context("spawn")
    subprocess.run(["true"], start_new_session=True, preexec_fn=None)


class Fork:
    def fork(self):
        return self.fork()
