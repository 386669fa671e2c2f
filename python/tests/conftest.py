"""What every test runs under: a dump of all threads when the interpreter crashes, or a test hangs."""

import faulthandler
import os
import sys

import deadlines
import pytest

# Longer than any deadline inside a test: what meets this hangs where no deadline reaches.
HANGS_S = 900


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    # Before the tests' output is captured: what a capture holds is lost when the process is ended.
    config.ungil_stderr = os.dup(sys.__stderr__.fileno())
    deadlines.arm()


@pytest.fixture(autouse=True)
def dump_if_it_hangs(request):
    faulthandler.dump_traceback_later(HANGS_S, exit=True, file=request.config.ungil_stderr)
    yield
    faulthandler.cancel_dump_traceback_later()
