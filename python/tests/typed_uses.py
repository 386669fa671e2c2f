"""Uses whose types mypy and pyright must both understand. Checked by `test_stubs.py`, never run.

A line that must be refused carries both checkers' marks for a refusal: an unneeded mark is an error too.
"""

from typing import assert_type

from ungil import phase, share

# Sharing.

shared = share([1, 2, 3])
assert_type(shared, list[int])
with phase():
    pass
