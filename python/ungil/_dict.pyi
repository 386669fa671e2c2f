from ungil.dicts import ConcurrentDict as ConcurrentDict
