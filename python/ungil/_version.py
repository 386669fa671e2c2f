"""The version, which is that of the workspace."""

from ungil._ungil import __version__

__all__ = ["__version__"]
