"""Imports the compared packages. A missing one is reported with the command that installs it."""

import importlib
from types import ModuleType
from typing import Any

INSTALL_COMMANDS = {
    "ungil": "python -m pip install ./python",
    "cereggii": "python -m pip install cereggii",
    "ft_utils": "python -m pip install ft_utils",
}


class Missing(Exception):
    """Raised with the reason why a contender cannot run here."""


def module(name: str) -> ModuleType:
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Missing(
            f"{package} is not installed ({error}): {INSTALL_COMMANDS[package]}"
        ) from error


def get(module_name: str, name: str) -> Any:
    """Returns a class or function of a package."""
    found = module(module_name)
    try:
        return getattr(found, name)
    except AttributeError:
        raise Missing(f"{module_name} {version(module_name)} has no {name}") from None


def ungil(name: str) -> Any:
    return get("ungil", name)


def version(name: str) -> str | None:
    """Returns the installed version, or None if the package is not installed."""
    package = name.partition(".")[0]
    try:
        found = module(package)
    except Missing:
        return None
    version = getattr(found, "__version__", None)
    if version is None:
        from importlib import metadata

        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            version = "(version unknown)"
    return str(version)
