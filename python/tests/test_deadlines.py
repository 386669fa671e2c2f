"""Tests of `deadlines.py`: the stacks of hanging threads and processes are printed."""

import os
import threading

import pytest
from deadlines import join, wait_for_child


def test_a_thread_that_hangs_is_shown():
    over = threading.Event()

    def hang_here():
        over.wait()

    thread = threading.Thread(target=hang_here, name="slow")
    thread.start()
    try:
        with pytest.raises(AssertionError, match=r"(?s)slow hangs.*hang_here"):
            join(thread, deadline_s=0.01)
    finally:
        over.set()
    join(thread)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_hangs_is_shown(capfd):
    def hang_there():
        while True:
            os.read(ends[0], 1)

    ends = os.pipe()
    child = os.fork()
    if child == 0:
        hang_there()
    with pytest.raises(AssertionError, match=r"the child .* hangs"):
        wait_for_child(child, deadline_s=0.01)
    os.close(ends[0])
    os.close(ends[1])
    assert "hang_there" in capfd.readouterr().err
