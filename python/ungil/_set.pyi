from ungil.dicts import ConcurrentSet as ConcurrentSet
