"""The mark that `ungil compare` reads: which part of a program counts."""

try:
    # On the path of whatever `ungil compare` runs.
    from ungil_phase import phase
except ImportError:

    class phase:
        """`with phase():` around the part that counts for `ungil compare`. Run by anything else, it does nothing.

        Thread safety: atomic.
        """

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            return False


__all__ = ["phase"]
