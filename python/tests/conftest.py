"""What every test runs under: a dump of all threads when the interpreter crashes, or a test hangs."""

import faulthandler
import sys

import pytest

# Longer than any deadline inside a test: what meets this hangs where no deadline reaches.
HANGS_S = 900


@pytest.fixture(autouse=True)
def dump_if_it_hangs():
    faulthandler.dump_traceback_later(HANGS_S, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()
