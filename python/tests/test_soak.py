"""A short soak of each structure: the long one is `python soak.py`."""

import os
import random

import pytest
import soak
from soak_subjects import SUBJECTS

SECONDS = float(os.environ.get("UNGIL_SOAK_S", "2"))


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_nothing_is_lost_doubled_kept_or_left_hanging(name):
    soak.quiet_deaths()
    soak.soak(name, SECONDS, random.SystemRandom().randrange(1 << 30))
