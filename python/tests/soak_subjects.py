"""All structures of the soak: the operations of a thread and the final checks."""

from soak_locks import LOCKS
from soak_maps import MAPS
from soak_parts import Boom, Log, Token
from soak_queues import QUEUES
from soak_slots import SLOTS
from soak_work import WORK

__all__ = ["SUBJECTS", "Boom", "Log", "Token"]

SUBJECTS = {subject.name: subject for subject in (*SLOTS, *MAPS, *QUEUES, *LOCKS, *WORK)}
