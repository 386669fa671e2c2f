"""Deadlines for everything that a test waits for.

When a thread or process misses its deadline, the stacks of all threads and of all processes that
the test started are printed before the test fails.
"""

import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
import time

# The longest time for which a test waits for a thread or a process.
DEADLINE_S = 120.0
# The longest time that a process takes to write its stacks when asked.
STACKS_S = 5.0

# Not `dump_traceback_later`: its timer is a thread, which does not exist in the child of a fork,
# and setting it again there would block forever.
DUMP = getattr(signal, "SIGUSR2", None)
# The first line of every script: on DUMP, the script and its forked children print their stacks.
ARMED = f"import faulthandler; faulthandler.register({int(DUMP)})\n" if DUMP else "\n"


def arm():
    """Makes this process and its forked children print the stacks of all threads on DUMP."""
    if DUMP:
        faulthandler.register(DUMP, file=sys.__stderr__)


def stacks() -> str:
    """Returns the stacks of all threads of this process."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        return file.read()


def join(*threads, deadline_s=DEADLINE_S):
    """Waits for threads to end."""
    end = time.monotonic() + deadline_s
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            raise AssertionError(f"{thread.name} hangs\n{stacks()}")


def wait_for_child(pid: int, deadline_s=DEADLINE_S) -> int:
    """Waits for a forked child and returns its exit status.

    `arm` must have been called in the process that forked it.
    """
    end = time.monotonic() + deadline_s
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(pid, DUMP)
            time.sleep(STACKS_S)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError(
                f"the child {pid} hangs, with its stacks on stderr; the parent's:\n{stacks()}"
            )
        time.sleep(0.001)


def run(command, *, deadline_s=DEADLINE_S, stdin=None, **options) -> subprocess.CompletedProcess:
    """Runs a program in its own session until it exits, and captures its output.

    `options` are those of Popen.
    """
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, start_new_session=True, **options
    ) as process:
        try:
            written = process.communicate(stdin, timeout=deadline_s)
        except subprocess.TimeoutExpired:
            _signal(process, DUMP)
            try:
                written = process.communicate(timeout=STACKS_S)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                written = process.communicate()
            raise AssertionError(
                f"the program {process.pid} hangs\n{written[0]}\n{written[1]}"
            ) from None
        finally:
            _signal(process, signal.SIGKILL)
        return subprocess.CompletedProcess(command, process.returncode, *written)


def _signal(process, number):
    """Sends a signal to the program and all processes that it has started."""
    try:
        os.killpg(process.pid, number) if number else process.kill()
    except ProcessLookupError, PermissionError:
        pass


def run_code(code: str, *options: str, **more) -> subprocess.CompletedProcess:
    """Runs a script with this interpreter."""
    return run([sys.executable, *options, "-c", ARMED + code], **more)


def run_file(path, *arguments: str, **more) -> subprocess.CompletedProcess:
    """Runs a script file, as `python path arguments` would."""
    code = (
        "import os, runpy, sys; del sys.argv[0]; sys.path[0] = os.path.dirname(sys.argv[0]); "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return run([sys.executable, "-c", ARMED + code, str(path), *arguments], **more)
