"""A short soak of each structure: the long one is `python soak.py`. Each in a process of its own, whose memory is nobody else's and
whose crash is seen."""

import os
import subprocess
import sys

import pytest
from processes import DEADLINE_S
from soak_subjects import SUBJECTS

SECONDS = float(os.environ.get("UNGIL_SOAK_S", "1.5"))
SOAK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "soak.py")


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_nothing_is_lost_doubled_kept_or_left_hanging(name):
    done = subprocess.run(
        [sys.executable, SOAK, "--seconds", str(SECONDS), "--structure", name],
        capture_output=True,
        text=True,
        timeout=SECONDS + 2 * DEADLINE_S,
    )
    assert done.returncode == 0 and not done.stderr, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
