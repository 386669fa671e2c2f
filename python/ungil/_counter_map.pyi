from ungil.dicts import ConcurrentCounter as ConcurrentCounter
