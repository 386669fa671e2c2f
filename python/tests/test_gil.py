"""Importing the package never enables the GIL, and everything works with the GIL enabled."""

import os
import sys

import pytest
from deadlines import run, run_code
from processes import free_threaded, run_script

needs_free_threading = pytest.mark.skipif(not free_threaded(), reason="needs a free-threaded build")


@needs_free_threading
def test_importing_leaves_the_gil_off():
    done = run_script(
        "import sys, ungil; print(sys._is_gil_enabled())", "-W", "error", "-X", "gil=0"
    )
    assert done.stdout == "False\n" and done.stderr == ""
    # Also without any option or environment variable.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    script = "import sys, ungil; print(sys._is_gil_enabled())"
    done = run_code(script, "-W", "error", env=environment)
    assert (done.stdout, done.stderr) == ("False\n", "")


@needs_free_threading
def test_every_submodule_leaves_the_gil_off():
    done = run_script(
        """
        import importlib, pkgutil, sys
        import ungil
        for module in pkgutil.iter_modules(ungil.__path__):
            importlib.import_module("ungil." + module.name)
            assert not sys._is_gil_enabled(), module.name
        """,
        "-W",
        "error",
        "-X",
        "gil=0",
    )
    assert done.stderr == ""


@needs_free_threading
def test_it_works_with_the_gil_enabled():
    done = run_script(
        """
        import sys, threading, ungil
        assert sys._is_gil_enabled()
        sys.setswitchinterval(1e-5)
        table, queue, adder, array = ungil.ConcurrentDict(), ungil.Queue(2), ungil.Adder(), ungil.Array([0] * 4)

        def produce():
            for n in range(2000):
                table.merge(n % 5, 1, lambda a, b: a + b)
                queue.put("x" * 20)
                adder.add(1)
                array.update(n % 4, lambda old: old + 1)

        def consume():
            for n in range(2000):
                queue.get()

        threads = [threading.Thread(target=work) for work in (produce, consume) * 2]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert adder.sum() == sum(table.values()) == sum(array) == 4000
        """,
        "-X",
        "gil=1",
    )
    assert done.stderr == ""


WITH_GIL = ["test_linearizable.py", "test_reported_bugs.py"]


@needs_free_threading
@pytest.mark.skipif(os.environ.get("PYTHON_GIL") == "1", reason="runs the suite again")
def test_the_suite_passes_with_the_gil_enabled():
    """With the GIL, threads switch only inside calls that run Python code.

    Calls overlap only there, so fewer histories are checked.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    done = run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *WITH_GIL],
        cwd=here,
        deadline_s=800,
        env={**os.environ, "PYTHON_GIL": "1", "UNGIL_HISTORIES": "0.1"},
    )
    assert done.returncode == 0, done.stdout[-4000:]
