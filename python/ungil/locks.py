"""Locks and other synchronization primitives."""

from ungil._ungil import (
    AllGuard,
    Barrier,
    Event,
    Latch,
    Lock,
    Phaser,
    ReadGuard,
    RLock,
    RWLock,
    Semaphore,
    StampedLock,
    StripedLock,
    WriteGuard,
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
