"""A short soak of each structure; `python soak.py` runs a long one.

Each structure runs in its own process, so that its memory is measured alone and a crash is noticed.
"""

import os

import pytest
from deadlines import DEADLINE_S, run_file
from soak_subjects import SUBJECTS

SECONDS = float(os.environ.get("UNGIL_SOAK_S", "1"))
SOAK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "soak.py")


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_nothing_is_lost_duplicated_leaked_or_left_hanging(name):
    done = run_file(
        SOAK, "--seconds", str(SECONDS), "--structure", name, deadline_s=SECONDS + 2 * DEADLINE_S
    )
    assert done.returncode == 0 and not done.stderr, (
        f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    )
