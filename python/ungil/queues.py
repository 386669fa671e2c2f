"""Queues between threads, with awaitable methods for asyncio."""

from queue import Empty, Full, ShutDown

from ungil._ungil import DelayQueue, Exchanger, LifoQueue, PriorityQueue, Queue

__all__ = [
    "DelayQueue",
    "Empty",
    "Exchanger",
    "Full",
    "LifoQueue",
    "PriorityQueue",
    "Queue",
    "ShutDown",
]
