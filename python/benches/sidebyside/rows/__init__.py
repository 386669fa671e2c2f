"""All rows of the comparison: the empty loops, then the rows with a bar, then the rest."""

from ..row import Row
from . import collections, common, counting, locks, maps, pools, queues, sharing, slots

ROWS: list[Row] = sorted(
    [
        *common.ROWS,
        *counting.ROWS,
        *maps.ROWS,
        *queues.ROWS,
        *slots.ROWS,
        *sharing.ROWS,
        *locks.ROWS,
        *collections.ROWS,
        *pools.ROWS,
    ],
    key=lambda row: 0 if row in common.ROWS else 1 if row.bars else 2,
)
