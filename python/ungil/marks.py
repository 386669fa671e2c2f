"""`phase`, which marks the part of a program that `ungil compare` measures."""

try:
    # `ungil compare` puts this module on the path of the programs that it runs.
    from ungil_phase import phase
except ImportError:

    class phase:
        """Context manager around the part of a program that `ungil compare` measures.

        Does nothing if the program is not run by `ungil compare`.

        Thread safety: atomic.
        """

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            return False


__all__ = ["phase"]
