"""Builds the wheel with maturin, and puts the program `ungil` in it, as a native executable on the user's path.

maturin packs either a library or an executable; the package is both. So the program is built first and laid where maturin takes
a wheel's scripts from. From Python 3.15 on one library serves every interpreter, with or without the GIL (abi3t).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import maturin
from maturin import (  # noqa: F401
    get_requires_for_build_editable,
    get_requires_for_build_wheel,
)

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE / "program" / "scripts"


def prepare_metadata_for_build_wheel(directory, settings=None):
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    return maturin.prepare_metadata_for_build_wheel(directory, _settings(settings))


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(directory, settings=None, metadata=None):
    _bring_program(settings)
    return maturin.build_wheel(directory, _settings(settings), metadata)


def build_editable(directory, settings=None, metadata=None):
    _bring_program(settings)
    return maturin.build_editable(directory, _settings(settings), metadata)


def build_sdist(directory, settings=None):
    raise SystemExit(
        "ungil: there is no source distribution\n"
        "  why: the program is made from the whole workspace, of which this folder is a part\n"
        "  try: pip install ./python from a clone of the repository"
    )


def _settings(settings):
    settings = dict(settings or {})
    settings.pop("program", None)
    if sys.version_info >= (3, 15):
        settings["build-args"] = f"{settings.get('build-args') or ''} --features abi3t".strip()
    return settings


def _bring_program(settings):
    """Puts `ungil` under `program/scripts`: the executable that `--config-settings program=PATH` names, or one built here."""
    program = (settings or {}).get("program") or _build_program()
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    # Copied under another name and renamed, so that a build beside this one never packs half a file.
    half = SCRIPTS / f".ungil.{os.getpid()}"
    shutil.copy2(program, half)
    half.rename(SCRIPTS / Path(program).name)


def _build_program():
    """Builds `ungil`, optimised, and returns its path."""
    if not (HERE.parent / "crates" / "cli" / "Cargo.toml").is_file():
        raise SystemExit(
            "ungil: the program's source is not beside this folder\n"
            "  why: the wheel brings the program `ungil`, which is built from the workspace this folder belongs to\n"
            "  try: pip install ./python from a clone of the repository"
        )
    cargo = os.environ.get("CARGO", "cargo")
    if shutil.which(cargo) is None:
        raise SystemExit(
            "ungil: cargo was not found\n"
            "  why: the package and its program are written in Rust and are built from source here\n"
            "  try: install Rust (its own installer is called rustup), or install a wheel"
        )
    messages = subprocess.run(
        [cargo, "build", "--release", "--package", "ungil", "--message-format", "json-render-diagnostics"],
        cwd=HERE.parent,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    built = [m["executable"] for m in map(json.loads, messages.splitlines()) if m.get("executable")]
    return built[-1]
