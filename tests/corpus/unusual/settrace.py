"""Traces the lines of a function with sys.settrace, after it ran without."""

import sys

EVENTS = []


def trace(frame, event, argument):
    if frame.f_code is work.__code__:
        EVENTS.append(event)
    return trace


def work():
    total = 0
    for number in range(3):
        total += number
    return total


if __name__ == "__main__":
    work()
    sys.settrace(trace)
    work()
    sys.settrace(None)
    assert EVENTS.count("line") == 9, EVENTS
