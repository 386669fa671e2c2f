"""Dumps the stacks of all threads when the interpreter crashes or a test hangs."""

import faulthandler
import os
import sys

import deadlines
import pytest

# Longer than any deadline inside a test: catches hangs where no such deadline applies.
HANGS_S = 900


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    # Before pytest captures the output: captured output is lost when the process is killed.
    config.ungil_stderr = os.dup(sys.__stderr__.fileno())
    deadlines.arm()


@pytest.fixture(autouse=True)
def dump_if_it_hangs(request):
    faulthandler.dump_traceback_later(HANGS_S, exit=True, file=request.config.ungil_stderr)
    yield
    faulthandler.cancel_dump_traceback_later()
