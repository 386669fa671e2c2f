"""Build backend of the package: maturin, plus the program `ungil` as a script of the wheel.

maturin packages either a library or an executable; this package contains both. So the backend first
builds the program and puts it into the folder from which maturin takes the scripts of a wheel. From
Python 3.15 on one library serves every interpreter, with or without the GIL (abi3t).

A build needs `crates/` and this folder. cargo rejects a workspace with a missing member (`bench`,
`tests`, `xtask`). If one is missing, the build runs in a copy whose workspace lists only `crates/`
and this folder. The source distribution is such a copy.
"""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from email.parser import Parser
from pathlib import Path

import maturin
from maturin import (  # noqa: F401
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CLONE = "pip install ./python from a clone of the repository"
EDITABLE = "an editable install links to this folder, and cargo builds it there each time"
LICENSES = ("LICENSE-APACHE", "LICENSE-MIT")


def prepare_metadata_for_build_wheel(directory, settings=None):
    directory = os.path.abspath(directory)
    with _package() as package:
        return _metadata(package, directory, settings)


def prepare_metadata_for_build_editable(directory, settings=None):
    _refuse_partial(EDITABLE)
    return prepare_metadata_for_build_wheel(directory, settings)


def build_wheel(directory, settings=None, metadata=None):
    directory = os.path.abspath(directory)
    with _package() as package:
        _add_program(package, settings)
        return maturin.build_wheel(directory, _settings(settings), metadata)


def build_editable(directory, settings=None, metadata=None):
    _refuse_partial(EDITABLE)
    directory = os.path.abspath(directory)
    with _package() as package:
        _add_program(package, settings)
        return maturin.build_editable(directory, _settings(settings), metadata)


def build_sdist(directory, settings=None):
    """Writes `ungil-VERSION.tar.gz`: `crates/` and this folder, as a separate workspace.

    maturin's own source distribution contains only the library and its dependencies. This one also
    contains the source of the program.
    """
    directory = os.path.abspath(directory)
    _missing()
    with tempfile.TemporaryDirectory(prefix="ungil-sdist-") as scratch:
        source = Path(scratch) / "source"
        source.mkdir()
        _copy_workspace(source)
        package = source / HERE.name
        for file in (
            *(HERE / name for name in LICENSES),
            ROOT / "README.md",
            ROOT / "CHANGELOG.md",
        ):
            if file.is_file():
                shutil.copy2(file, source / file.name)
        _write_frontend_files(package, source, Path(scratch) / "metadata", settings)
        headers = Parser().parsestr((source / "PKG-INFO").read_text("utf-8"), headersonly=True)
        name = f"{headers['Name']}-{headers['Version']}"
        shutil.rmtree(package / "program")
        _pack(source, name, Path(directory) / f"{name}.tar.gz")
    return f"{name}.tar.gz"


def _write_frontend_files(package, source, metadata, settings):
    """Writes the files that a build frontend reads in the top folder: PKG-INFO, pyproject.toml."""
    metadata.mkdir()
    with _inside(package):
        # cargo also removes the dependencies of the missing members from Cargo.lock.
        folder = _metadata(package, str(metadata), settings)
    shutil.copy2(metadata / folder / "METADATA", source / "PKG-INFO")
    project = source / "pyproject.toml"
    shutil.copy2(package / "pyproject.toml", project)
    _rewrite(project, r'^backend-path = \["\."\]', f'backend-path = ["{HERE.name}"]')
    _rewrite(project, r'^readme = "', f'readme = "{HERE.name}/')
    # maturin is called in the folder of the package and reads its settings there.
    _rewrite(project, r"^\[tool\.maturin\]\n(?:(?!\[).*\n?)*", "")


def _pack(folder, name, archive):
    """Packs the folder reproducibly: the same files always give the same bytes."""
    time = int(os.environ.get("SOURCE_DATE_EPOCH", 315532800))
    with (
        open(archive, "wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=time) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = tarfile.TarInfo(f"{name}/{path.relative_to(folder).as_posix()}")
                data = path.read_bytes()
                entry.size, entry.mtime, entry.mode = len(data), time, 0o644
                tar.addfile(entry, io.BytesIO(data))


def _fail(what, why, help):
    raise SystemExit(f"ungil: {what}\n  why: {why}\n  try: {help}")


def _settings(settings):
    settings = dict(settings or {})
    arguments = [settings.get("build-args") or "", "--profile", _profile(settings)]
    if sys.version_info >= (3, 15):
        arguments += ["--features", "abi3t"]
    settings["build-args"] = " ".join(arguments).strip()
    settings.pop("program", None)
    settings.pop("profile", None)
    return settings


def _profile(settings):
    """Returns cargo's profile: `--config-settings profile=NAME`, or the one that compiles fast."""
    return (settings or {}).get("profile") or "local"


def _metadata(package, directory, settings):
    _scripts(package)
    return maturin.prepare_metadata_for_build_wheel(directory, _settings(settings))


def _missing():
    """Returns the members of the workspace that are not in this copy of the source."""
    manifests = ["Cargo.toml", "crates/cli/Cargo.toml", "crates/sync/Cargo.toml"]
    for file in (ROOT / manifest for manifest in manifests):
        if not file.is_file():
            _fail(
                f"the source of the package is incomplete: there is no {file.relative_to(ROOT)}",
                "the wheel contains the program `ungil`, which is built from the whole workspace",
                f"{CLONE}, or from its source distribution",
            )
    members = tomllib.loads((ROOT / "Cargo.toml").read_text("utf-8"))["workspace"]["members"]
    return [member for member in members if not any(ROOT.glob(f"{member}/Cargo.toml"))]


def _refuse_partial(why):
    if missing := _missing():
        _fail(
            f"this copy of the source has no {', '.join(missing)}",
            why,
            "leave out -e, or use a clone of the repository",
        )


@contextlib.contextmanager
def _inside(folder):
    """Changes to the folder, because maturin and cargo work in the current one."""
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(HERE)


@contextlib.contextmanager
def _package():
    """Enters the folder to build in: this one, or a copy if the workspace is incomplete."""
    if not _missing():
        with _inside(HERE) as package:
            yield package
        return
    with tempfile.TemporaryDirectory(prefix="ungil-build-") as copy:
        _copy_workspace(Path(copy))
        # The target folder is kept, so that the next build is incremental.
        os.environ.setdefault("CARGO_TARGET_DIR", str(ROOT / "target"))
        with _inside(Path(copy) / HERE.name) as package:
            yield package


def _copy_workspace(to):
    """Copies `crates/` and this folder as a separate workspace, without the tests of the crates."""
    ignored = shutil.ignore_patterns("target", "__pycache__", "*.so", "program", "*.egg-info", ".*")
    of_crates = shutil.ignore_patterns("tests", "benches", "examples")

    def skip(folder, names):
        crate = Path(folder).parent == ROOT / "crates"
        return ignored(folder, names) | (of_crates(folder, names) if crate else set())

    for folder in (ROOT / "crates", HERE):
        shutil.copytree(folder, to / folder.name, ignore=skip)
    for file in ("Cargo.toml", "Cargo.lock"):
        if (ROOT / file).is_file():
            shutil.copy2(ROOT / file, to / file)
    if (ROOT / ".cargo").is_dir():
        shutil.copytree(ROOT / ".cargo", to / ".cargo")
    _rewrite(to / "Cargo.toml", r"^members = \[[^\]]*\]", f'members = ["crates/*", "{HERE.name}"]')
    # Dependencies of tests may be missing members of the workspace.
    _rewrite(to / "Cargo.toml", r"^ungil-tests = .*\n", "")
    for manifest in to.glob("crates/*/Cargo.toml"):
        _rewrite(manifest, r"^\[dev-dependencies\]\n(?:(?!\[).*\n?)*", "")


def _rewrite(file, pattern, text):
    changed = re.sub(pattern, lambda _: text, file.read_text("utf-8"), flags=re.MULTILINE)
    file.write_text(changed, "utf-8")


def _scripts(package):
    scripts = package / "program" / "scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    return scripts


def _add_program(package, settings):
    """Puts `ungil` under `program/scripts`.

    Builds it, unless `--config-settings program=PATH` names an executable.
    """
    program = (settings or {}).get("program") or _build_program(package, _profile(settings))
    scripts = _scripts(package)
    # A rename is atomic: a build that runs at the same time never packs an incomplete file.
    partial = scripts / f".ungil.{os.getpid()}"
    shutil.copy2(program, partial)
    partial.rename(scripts / Path(program).name)


def _build_program(package, profile):
    """Builds `ungil` and returns its path."""
    cargo = os.environ.get("CARGO", "cargo")
    if shutil.which(cargo) is None:
        _fail(
            "cargo was not found",
            "the package and its program are written in Rust and are built from source here",
            "install Rust (its own installer is called rustup), or install a wheel",
        )
    build = subprocess.run(
        [
            cargo,
            "build",
            "--profile",
            profile,
            "--package",
            "ungil",
            "--message-format",
            "json-render-diagnostics",
        ],
        cwd=package.parent,
        stdout=subprocess.PIPE,
    )
    if build.returncode:
        _fail(
            "cargo could not build the program",
            f"it exited with status {build.returncode}; its messages are above",
            f"fix what 'cargo build --profile {profile} --package ungil' reports in the folder above",
        )
    built = [
        m["executable"] for m in map(json.loads, build.stdout.splitlines()) if m.get("executable")
    ]
    return built[-1]
