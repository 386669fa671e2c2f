//! A live process that lets itself be asked: `sys.remote_exec` (PEP 768, Python 3.14 and later) has
//! its main thread load the library, and end the profile later.
//!
//! Python's own function is called by a second interpreter of the same program, since it checks
//! what must be checked: the version to the letter, the target's consent, and the permission to
//! write.

use super::decode::decode;
use super::table::Table;
use super::{Allocations, End, Error, LIBRARY};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use ungil_hook::wire::{head, state};
use ungil_remote::Python;
use ungil_remote::linux::syscall::{KernelState, SyscallFile, is_stopped};

const SCRIPT: &str = include_str!("../../py/alloc_ask.py");
const ASK: &str = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])";
/// What a request that is no longer wanted does.
const GONE: &str =
    "import os\ntry:\n    os.remove(FILE)\n    os.rmdir(FOLDER)\nexcept OSError:\n    pass\n";
const LOOK: Duration = Duration::from_millis(5);

/// A process to ask.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The process.
    pub pid: u32,
    /// Mean number of bytes between two samples; 1 samples every block.
    pub every: u64,
    /// How long to watch; `None` until `stop` says so or the process ends.
    pub duration: Option<Duration>,
    /// How long to wait for the target's main thread.
    pub patience: Duration,
}

/// What was put where the target can see it: the library and a script in a folder of its own, the
/// table in shared memory.
struct Room {
    pid: u32,
    dir: TempDir,
    table: Table,
    /// The table's file until it is mapped.
    file: PathBuf,
}

/// Watches a process's allocations for a while. `stop` is asked now and then whether to end.
///
/// # Errors
/// The process cannot be looked into, is too old, does not let itself be asked, or did not answer.
pub fn attach(ask: &Ask, mut stop: impl FnMut() -> bool) -> Result<Allocations, Error> {
    let python = Python::attach(ask.pid)?;
    if python.offsets().debugger_support.is_none() {
        return Err(Error::TooOld { pid: ask.pid, version: python.version().to_string() });
    }
    if !python.process().has_main_thread() {
        return Err(Error::NoMainThread(ask.pid));
    }
    let there = || python.process().is_same();
    let room = Room::make(ask.pid, ask.every).map_err(Error::Prepare)?;
    let begun = room.start(ask.patience, &there, &mut stop);
    // Mapped, or never to be: its name has no more use.
    let _ = fs::remove_file(&room.file);
    if let Err(error) = begun {
        if matches!(error, Error::Silent { .. } | Error::Interrupted) {
            room.retract("start");
        }
        return Err(error);
    }

    let began = Instant::now();
    while there() && !stop() && ask.duration.is_none_or(|d| began.elapsed() < d) {
        std::thread::sleep(LOOK);
    }
    let answered = room.end(ask.patience, &there).map_err(Error::Prepare)?;
    let image = room.table.read().map_err(Error::Read)?;
    if !answered {
        room.retract("stop");
    }
    let mut allocations = decode(&image, "");
    if allocations.end == End::Lost && there() {
        allocations.is_silent(&doing(ask.pid));
    }
    Ok(allocations)
}

impl Room {
    fn make(pid: u32, every: u64) -> io::Result<Room> {
        // The target's own root: it may be in a container.
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let dir = tempfile::Builder::new()
            .prefix(&format!("ungil-alloc-{pid}-"))
            .tempdir_in(root.join("tmp"))?;
        let name = dir.path().file_name().unwrap_or_default().to_owned();
        fs::write(dir.path().join("ungil_hook.so"), LIBRARY)?;
        // Memory rather than a disk, whose writing back would cost the target; a disk rather than
        // nothing.
        let places = [root.join("dev/shm").join(name), dir.path().join("table")];
        let made = places.into_iter().map(|file| match Table::named(&file, every) {
            Ok(table) => Ok((table, file)),
            Err(error) => {
                let _ = fs::remove_file(&file);
                Err(error)
            }
        });
        let mut error = io::Error::other("no place for the table");
        for attempt in made {
            match attempt {
                Ok((table, file)) => {
                    let room = Room { pid, dir, table, file };
                    room.hand_over()?;
                    return Ok(room);
                }
                Err(e) => error = e,
            }
        }
        Err(error)
    }

    /// Gives the files to the target's user, where that is somebody else; only root can, and only
    /// then there is need.
    fn hand_over(&self) -> io::Result<()> {
        let owner = fs::metadata(format!("/proc/{}", self.pid))?;
        if owner.uid() != fs::metadata(self.dir.path())?.uid() {
            for path in [self.dir.path(), &self.dir.path().join("ungil_hook.so"), &self.file] {
                chown(path, Some(owner.uid()), Some(owner.gid()))?;
            }
        }
        Ok(())
    }

    /// A path as the target has it.
    fn theirs(&self, path: &Path) -> String {
        let root = format!("/proc/{}/root", self.pid);
        let path =
            path.strip_prefix(&root).map_or(path.to_path_buf(), |rest| Path::new("/").join(rest));
        path.display().to_string()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Asks the target's main thread to run the script with `what`.
    fn ask(&self, what: &str) -> Result<(), Error> {
        let script = self.at(&format!("{what}.py"));
        let paths = [self.at("ungil_hook.so"), self.file.clone(), self.at("trouble")];
        let arguments = paths.map(|p| format!("{:?}", self.theirs(&p))).join(", ");
        fs::write(&script, format!("{SCRIPT}ask({what:?}, {arguments})\ndel ask\n"))
            .map_err(Error::Prepare)?;
        let owner = fs::metadata(self.dir.path()).map_err(Error::Prepare)?;
        chown(&script, Some(owner.uid()), Some(owner.gid())).map_err(Error::Prepare)?;
        let mut command = interpreter(self.pid);
        command.args(["-sP", "-c", ASK]).arg(self.pid.to_string()).arg(self.theirs(&script));
        let out = command.stdin(Stdio::null()).output().map_err(|source| Error::Start {
            program: format!("the program of process {}", self.pid),
            source,
        })?;
        if out.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&out.stderr);
        let said = text
            .lines()
            .rev()
            .find(|l| !l.trim().is_empty())
            .unwrap_or("it said nothing")
            .to_string();
        Err(Error::Asked { pid: self.pid, said })
    }

    fn start(
        &self,
        patience: Duration,
        there: &dyn Fn() -> bool,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<(), Error> {
        self.ask("start")?;
        let began = Instant::now();
        loop {
            match self.table.get(head::STATE) {
                state::PREPARED => {}
                state::REFUSED => return Err(Error::Refused(self.table.get(head::REFUSAL))),
                _ => return Ok(()),
            }
            if let Ok(trouble) = fs::read_to_string(self.at("trouble")) {
                return Err(Error::Load(trouble));
            }
            let error = match (there(), stop(), began.elapsed() > patience) {
                (false, _, _) => Error::Ended(self.pid),
                (_, true, _) => Error::Interrupted,
                (_, _, true) => {
                    let waited_s = patience.as_secs_f64();
                    Error::Silent { pid: self.pid, waited_s, doing: doing(self.pid) }
                }
                _ => {
                    std::thread::sleep(LOOK);
                    continue;
                }
            };
            return Err(error);
        }
    }

    /// Leaves a script that does nothing but remove itself where the target was told to look,
    /// whenever it comes by: a request cannot be taken back, and one whose script is gone makes the
    /// target complain.
    fn retract(self, what: &str) {
        let script = self.at(&format!("{what}.py"));
        let [file, folder] =
            [&*script, self.dir.path()].map(|path| format!("{:?}", self.theirs(path)));
        let nothing = GONE.replace("FILE", &file).replace("FOLDER", &folder);
        let dir = self.dir.keep();
        for file in fs::read_dir(&dir).into_iter().flatten().flatten().map(|e| e.path()) {
            let _ =
                if file == script { fs::write(&file, &nothing) } else { fs::remove_file(&file) };
        }
    }

    /// Has the profile ended: by the main thread, or failing that by whichever thread samples next.
    /// Whether the main thread did.
    fn end(&self, patience: Duration, there: &dyn Fn() -> bool) -> io::Result<bool> {
        let over = || !there() || self.table.get(head::STATE) != state::RUNNING;
        let wait = |how_long: Duration| {
            let began = Instant::now();
            while !over() && began.elapsed() < how_long {
                std::thread::sleep(LOOK);
            }
        };
        if !over() && self.ask("stop").is_ok() {
            wait(patience);
        }
        let answered = over();
        if !answered {
            self.table.set(head::STOP, 1)?;
            wait(Duration::from_secs(1));
        }
        Ok(answered)
    }
}

/// Another process of the interpreter that process `pid` runs, to the letter: its file may have
/// been replaced or deleted since, and is still there under `/proc`. It finds its standard library
/// by the name the file had and the settings the target was given.
fn interpreter(pid: u32) -> Command {
    let exe = PathBuf::from(format!("/proc/{pid}/exe"));
    let mut command = Command::new(&exe);
    if let Ok(name) = fs::read_link(&exe) {
        let name = name.as_os_str().as_bytes();
        command.arg0(OsStr::from_bytes(name.strip_suffix(b" (deleted)").unwrap_or(name)));
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"PYTHON"))
    {
        command.env_remove(name);
    }
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    for setting in environment.split(|&byte| byte == 0) {
        for name in ["PYTHONHOME", "LD_LIBRARY_PATH"] {
            let value =
                setting.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            if let Some(value) = value {
                command.env(name, OsStr::from_bytes(value));
            }
        }
    }
    command
}

/// Says why a process's main thread does not answer, as far as the kernel says.
fn doing(pid: u32) -> String {
    if is_stopped(pid) {
        return "it is stopped by a signal or a debugger (`kill -CONT` lets it go on)".into();
    }
    match SyscallFile::open(pid, pid).map(|file| file.read()) {
        Ok(KernelState::Running) => {
            "its main thread runs code that is not Python's and does not look for requests".into()
        }
        Ok(KernelState::SystemCall(call)) => {
            let call = call.name().map_or_else(|| format!("number {}", call.number), str::to_owned);
            format!(
                "its main thread is in the system call {call}, and Python looks for requests only between two of its own \
                 instructions"
            )
        }
        _ => "its main thread does not come to the point where Python looks for requests".into(),
    }
}
