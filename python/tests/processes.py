"""Scripts run by the interpreter of the tests, in a process of their own."""

import os
import subprocess
import sysconfig
import textwrap

from deadlines import run_code


def run_script(
    script: str, *options: str, environment: dict | None = None, status: int = 0
) -> subprocess.CompletedProcess:
    """Runs it and gives what it wrote; it must end with that status, and without a word from the interpreter about a crash."""
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
    """Whether the interpreter can do without a GIL."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
