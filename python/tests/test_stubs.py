"""The stubs: complete, consistent with the library, and accepted by mypy and pyright.

`UNGIL_MYPY` and `UNGIL_PYRIGHT` name the folders in which the two are installed; `cargo xtask
python` sets them. Without them the tests fail instead of being skipped: an unchecked stub soon
becomes wrong.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from deadlines import run

import ungil

PACKAGE = Path(ungil.__file__).parent
USES = Path(__file__).with_name("typed_uses.py")
ALLOWED = Path(__file__).with_name("stubtest_allowed.txt")
TOPICS = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("_"))


def run_checker(variable, *command, cwd):
    """Runs a checker with this interpreter; its output is the message of a failure."""
    folder = os.environ.get(variable)
    assert folder, (
        f"{variable} is not set: run the tests by `cargo xtask python`, which installs the checkers"
    )
    # The package is a folder on the path, not installed: both mypy and pyright need its path.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), folder])}
    environment |= {
        "MYPYPATH": str(PACKAGE.parent),
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
        "NO_COLOR": "1",
    }
    done = run(
        [sys.executable, *command],
        cwd=cwd,
        env=environment,
        stderr=subprocess.STDOUT,
        deadline_s=800,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("topic", TOPICS)
def test_every_module_has_a_stub(topic):
    assert (PACKAGE / f"{topic}.pyi").is_file()


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_the_checkers_accept_the_stubs_and_their_uses(checker, tmp_path):
    {"mypy": mypy, "pyright": pyright}[checker](tmp_path)


def mypy(tmp_path):
    run_checker(
        "UNGIL_MYPY", "-m", "mypy", "--strict", "--cache-dir", tmp_path, "--python-version", "3.14",
        *(PACKAGE / f"{topic}.pyi" for topic in TOPICS), USES, cwd=tmp_path,
    )  # fmt: skip


def pyright(tmp_path):
    (tmp_path / "pyrightconfig.json").write_text(
        '{"typeCheckingMode": "strict", "pythonVersion": "3.14", "reportUnnecessaryTypeIgnoreComment": "error", '
        '"reportMissingModuleSource": "none", "reportPrivateUsage": "none", "reportUnusedExpression": "none", '
        # Reports that a stub cannot avoid: a `Mapping.get` of type `T | None` and similar.
        f'"extraPaths": ["{PACKAGE.parent}"], "include": ["{PACKAGE}", "{USES}"]}}'
    )
    # `ungil` itself is checked as a library, and its stubs as sources.
    run_checker("UNGIL_PYRIGHT", "-m", "pyright", "-p", tmp_path, cwd=tmp_path)


def test_the_stubs_agree_with_the_library(tmp_path):
    # Private modules have no stubs and are not checked.
    settings = tmp_path / "mypy.ini"
    private = ["_ungil", *(path.stem for path in PACKAGE.glob("_*.py") if path.stem != "__init__")]
    mute = "ignore_errors = True\nignore_missing_imports = True\n"
    settings.write_text(
        "[mypy]\n" + "".join(f"[mypy-ungil.{module}]\n{mute}" for module in private)
    )
    run_checker(
        "UNGIL_MYPY", "-m", "mypy.stubtest", "ungil", "--allowlist", ALLOWED, "--mypy-config-file", settings, "--concise",
        cwd=tmp_path,
    )  # fmt: skip
