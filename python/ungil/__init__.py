"""Data structures, locks and thread pools that scale without the GIL."""

from ungil._version import __version__ as __version__
from ungil.arrays import *
from ungil.atomics import *
from ungil.dicts import *
from ungil.locks import *
from ungil.marks import *
from ungil.pools import *
from ungil.queues import *
from ungil.sharing import *
