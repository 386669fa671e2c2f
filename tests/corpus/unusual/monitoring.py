"""Uses sys.monitoring for lines and calls, as coverage does, before and after."""

import sys

monitoring = sys.monitoring
LINES = []
CALLS = []


def work(count):
    total = 0
    for number in range(count):
        total += abs(number)
    return total


def on_line(code, line):
    if code is work.__code__:
        LINES.append(line)


def on_call(code, offset, function, argument):
    if code is work.__code__:
        CALLS.append(function)


if __name__ == "__main__":
    work(30)
    monitoring.use_tool_id(monitoring.COVERAGE_ID, "coverage")
    monitoring.register_callback(monitoring.COVERAGE_ID, monitoring.events.LINE, on_line)
    monitoring.register_callback(monitoring.COVERAGE_ID, monitoring.events.CALL, on_call)
    monitoring.set_events(monitoring.COVERAGE_ID, monitoring.events.LINE | monitoring.events.CALL)
    work(5)
    monitoring.set_events(monitoring.COVERAGE_ID, 0)
    work(5)
    assert CALLS.count(abs) == 5, CALLS
    assert len(LINES) == 13, LINES
