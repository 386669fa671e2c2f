"""Builds the wheel with maturin, and puts the program `ungil` in it, as a native executable on the user's path.

maturin packs either a library or an executable; the package is both. So the program is built first and laid where maturin takes
a wheel's scripts from. From Python 3.15 on one library serves every interpreter, with or without the GIL (abi3t).

The build needs `crates/` and this folder. cargo refuses a workspace of which another member (`bench`, `tests`, `xtask`) is missing,
so without them the build runs in a copy whose workspace has the two alone.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import maturin
from maturin import (  # noqa: F401
    get_requires_for_build_editable,
    get_requires_for_build_wheel,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def prepare_metadata_for_build_wheel(directory, settings=None):
    directory = os.path.abspath(directory)
    with _package() as package:
        _scripts(package)
        return maturin.prepare_metadata_for_build_wheel(directory, _settings(settings))


def prepare_metadata_for_build_editable(directory, settings=None):
    _refuse_partial("an editable install links to this folder, and cargo builds it there each time")
    return prepare_metadata_for_build_wheel(directory, settings)


def build_wheel(directory, settings=None, metadata=None):
    directory = os.path.abspath(directory)
    with _package() as package:
        _bring_program(package, settings)
        return maturin.build_wheel(directory, _settings(settings), metadata)


def build_editable(directory, settings=None, metadata=None):
    _refuse_partial("an editable install links to this folder, and cargo builds it there each time")
    directory = os.path.abspath(directory)
    with _package() as package:
        _bring_program(package, settings)
        return maturin.build_editable(directory, _settings(settings), metadata)


def build_sdist(directory, settings=None):
    _fail(
        "there is no source distribution",
        "the program is made from the whole workspace, of which this folder is a part",
        "pip install ./python from a clone of the repository",
    )


def _fail(what, why, help):
    raise SystemExit(f"ungil: {what}\n  why: {why}\n  try: {help}")


def _settings(settings):
    settings = dict(settings or {})
    settings.pop("program", None)
    if sys.version_info >= (3, 15):
        settings["build-args"] = f"{settings.get('build-args') or ''} --features abi3t".strip()
    return settings


def _missing():
    """Returns the members of the workspace that are not in this copy of the source."""
    needed = [ROOT / "Cargo.toml", ROOT / "crates" / "cli" / "Cargo.toml", ROOT / "crates" / "sync" / "Cargo.toml"]
    for file in needed:
        if not file.is_file():
            _fail(
                f"the source of the package is not whole: there is no {file.relative_to(ROOT)}",
                "the wheel brings the program `ungil`, which is built from the workspace this folder belongs to",
                "pip install ./python from a clone of the repository",
            )
    members = tomllib.loads((ROOT / "Cargo.toml").read_text("utf-8"))["workspace"]["members"]
    return [member for member in members if not any(ROOT.glob(f"{member}/Cargo.toml"))]


def _refuse_partial(why):
    if missing := _missing():
        _fail(f"this copy of the source has no {', '.join(missing)}", why, "leave -e away, or use a clone of the repository")


@contextlib.contextmanager
def _package():
    """Enters the folder to build in: this one, or its copy if members of the workspace are missing."""
    if not _missing():
        os.chdir(HERE)
        yield HERE
        return
    with tempfile.TemporaryDirectory(prefix="ungil-build-") as copy:
        _copy_workspace(Path(copy))
        # What is built is kept where a whole workspace keeps it.
        os.environ.setdefault("CARGO_TARGET_DIR", str(ROOT / "target"))
        package = Path(copy) / HERE.name
        os.chdir(package)
        try:
            yield package
        finally:
            os.chdir(HERE)


def _copy_workspace(to):
    """Copies `crates/` and this folder, as a workspace without other members and without what only tests need."""
    ignored = shutil.ignore_patterns("target", "__pycache__", "*.so", "program")
    for folder in (ROOT / "crates", HERE):
        shutil.copytree(folder, to / folder.name, ignore=ignored)
    for file in ("Cargo.toml", "Cargo.lock"):
        if (ROOT / file).is_file():
            shutil.copy2(ROOT / file, to / file)
    if (ROOT / ".cargo").is_dir():
        shutil.copytree(ROOT / ".cargo", to / ".cargo")
    _rewrite(to / "Cargo.toml", r"^members = \[[^\]]*\]", f'members = ["crates/*", "{HERE.name}"]')
    # Their dependencies may be members that are missing.
    for manifest in to.glob("crates/*/Cargo.toml"):
        _rewrite(manifest, r"^\[dev-dependencies\]\n(?:(?!\[).*\n?)*", "")


def _rewrite(file, pattern, text):
    file.write_text(re.sub(pattern, lambda _: text, file.read_text("utf-8"), flags=re.MULTILINE), "utf-8")


def _scripts(package):
    scripts = package / "program" / "scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    return scripts


def _bring_program(package, settings):
    """Puts `ungil` under `program/scripts`: the executable that `--config-settings program=PATH` names, or one built here."""
    program = (settings or {}).get("program") or _build_program(package)
    scripts = _scripts(package)
    # Copied under another name and renamed, so that a build beside this one never packs half a file.
    half = scripts / f".ungil.{os.getpid()}"
    shutil.copy2(program, half)
    half.rename(scripts / Path(program).name)


def _build_program(package):
    """Builds `ungil`, optimised, and returns its path."""
    cargo = os.environ.get("CARGO", "cargo")
    if shutil.which(cargo) is None:
        _fail(
            "cargo was not found",
            "the package and its program are written in Rust and are built from source here",
            "install Rust (its own installer is called rustup), or install a wheel",
        )
    build = subprocess.run(
        [cargo, "build", "--release", "--package", "ungil", "--message-format", "json-render-diagnostics"],
        cwd=package.parent,
        stdout=subprocess.PIPE,
    )
    if build.returncode:
        _fail(
            "cargo could not build the program",
            f"it ended with {build.returncode}; what it said is above",
            "see what 'cargo build --release --package ungil' says in the folder above this one",
        )
    built = [m["executable"] for m in map(json.loads, build.stdout.splitlines()) if m.get("executable")]
    return built[-1]
