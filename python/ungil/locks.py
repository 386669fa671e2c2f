"""Locks and meeting points."""

from ungil._ungil import (
    Barrier,
    Event,
    Latch,
    Lock,
    Phaser,
    RLock,
    RWLock,
    Semaphore,
    StampedLock,
    StripedLock,
)

__all__ = [
    "Barrier",
    "Event",
    "Latch",
    "Lock",
    "Phaser",
    "RLock",
    "RWLock",
    "Semaphore",
    "StampedLock",
    "StripedLock",
]
