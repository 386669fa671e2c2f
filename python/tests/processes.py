"""Runs scripts with the interpreter of the tests, each in its own process."""

import os
import subprocess
import sysconfig
import textwrap

from deadlines import run_code


def run_script(
    script: str, *options: str, environment: dict | None = None, status: int = 0
) -> subprocess.CompletedProcess:
    """Runs the script and returns the finished process.

    It must exit with the given status and without a crash message of the interpreter.
    """
    done = run_code(
        textwrap.dedent(script),
        "-X",
        "faulthandler",
        *options,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == status, (
        f"it ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    assert "Fatal Python error" not in done.stderr and "panicked" not in done.stderr, done.stderr
    return done


def free_threaded() -> bool:
    """Returns whether the interpreter is a free-threaded build."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
