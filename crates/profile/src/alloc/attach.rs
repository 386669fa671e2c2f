//! Profiles a running process: `sys.remote_exec` (PEP 768, Python 3.14 and later) makes its main
//! thread load the library, and end the profile later.
//!
//! `sys.remote_exec` is called by a second process of the same interpreter. It performs the
//! necessary checks: the exact version, the target's consent, and the permission to write.

use super::decode::decode;
use super::table::SharedTable;
use super::{AllocEnd, AllocError, Allocations, LIBRARY};
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
/// The script of a withdrawn request: it only removes itself.
const WITHDRAWN: &str =
    "import os\ntry:\n    os.remove(FILE)\n    os.rmdir(FOLDER)\nexcept OSError:\n    pass\n";
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A process to profile.
#[derive(Debug, Clone)]
pub struct AttachRequest {
    /// Process id.
    pub pid: u32,
    /// Mean number of bytes between two samples; 1 samples every block.
    pub every: u64,
    /// Time limit; `None` to profile until `stop` returns true or the process ends.
    pub duration: Option<Duration>,
    /// Maximum time to wait for the target's main thread.
    pub timeout: Duration,
}

/// Files that the target can access: the library and a script in a temporary folder, and the table
/// in shared memory.
struct TargetFiles {
    pid: u32,
    dir: TempDir,
    table: SharedTable,
    /// The table's file; removed once it is mapped.
    file: PathBuf,
}

/// Profiles the allocations of a process. `stop` is polled for whether to end.
///
/// # Errors
/// The process cannot be read, is too old, refuses `sys.remote_exec`, or did not respond.
pub fn attach(
    ask: &AttachRequest,
    mut stop: impl FnMut() -> bool,
) -> Result<Allocations, AllocError> {
    let python = Python::attach(ask.pid)?;
    if python.offsets().debugger_support.is_none() {
        return Err(AllocError::TooOld { pid: ask.pid, version: python.version().to_string() });
    }
    if !python.process().has_main_thread() {
        return Err(AllocError::NoMainThread(ask.pid));
    }
    let exists = || python.process().is_same();
    let files = TargetFiles::make(ask.pid, ask.every).map_err(AllocError::Prepare)?;
    let begun = files.start(ask.timeout, &exists, &mut stop);
    // The table is mapped now, or never will be: its name is no longer needed.
    let _ = fs::remove_file(&files.file);
    if let Err(error) = begun {
        if matches!(error, AllocError::Timeout { .. } | AllocError::Interrupted) {
            files.withdraw("start");
        }
        return Err(error);
    }

    let began = Instant::now();
    while exists() && !stop() && ask.duration.is_none_or(|d| began.elapsed() < d) {
        std::thread::sleep(POLL_INTERVAL);
    }
    let answered = files.end(ask.timeout, &exists).map_err(AllocError::Prepare)?;
    let image = files.table.read().map_err(AllocError::Read)?;
    if !answered {
        files.withdraw("stop");
    }
    let mut allocations = decode(&image, "");
    if allocations.end == AllocEnd::Lost && exists() {
        allocations.mark_unresponsive(&main_thread_activity(ask.pid));
    }
    Ok(allocations)
}

impl TargetFiles {
    fn make(pid: u32, every: u64) -> io::Result<TargetFiles> {
        // The target's root directory, which differs if it runs in a container.
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let dir = tempfile::Builder::new()
            .prefix(&format!("ungil-alloc-{pid}-"))
            .tempdir_in(root.join("tmp"))?;
        let name = dir.path().file_name().unwrap_or_default().to_owned();
        fs::write(dir.path().join("ungil_hook.so"), LIBRARY)?;
        // Shared memory first, because writing back to a disk would slow the target down; a disk if
        // there is no shared memory.
        let places = [root.join("dev/shm").join(name), dir.path().join("table")];
        let made = places.into_iter().map(|file| match SharedTable::named(&file, every) {
            Ok(table) => Ok((table, file)),
            Err(error) => {
                let _ = fs::remove_file(&file);
                Err(error)
            }
        });
        let mut error = io::Error::other("no folder for the table");
        for attempt in made {
            match attempt {
                Ok((table, file)) => {
                    let files = TargetFiles { pid, dir, table, file };
                    files.change_owner()?;
                    return Ok(files);
                }
                Err(e) => error = e,
            }
        }
        Err(error)
    }

    /// Changes the owner of the files to the target's user, if that is another one. Only root needs
    /// this, and only root can.
    fn change_owner(&self) -> io::Result<()> {
        let owner = fs::metadata(format!("/proc/{}", self.pid))?;
        if owner.uid() != fs::metadata(self.dir.path())?.uid() {
            for path in [self.dir.path(), &self.dir.path().join("ungil_hook.so"), &self.file] {
                chown(path, Some(owner.uid()), Some(owner.gid()))?;
            }
        }
        Ok(())
    }

    /// Converts a path to the target's view of the file system.
    fn target_path(&self, path: &Path) -> String {
        let root = format!("/proc/{}/root", self.pid);
        let path =
            path.strip_prefix(&root).map_or(path.to_path_buf(), |rest| Path::new("/").join(rest));
        path.display().to_string()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Requests the target's main thread to run the script with `what`.
    fn request(&self, what: &str) -> Result<(), AllocError> {
        let script = self.at(&format!("{what}.py"));
        let paths = [self.at("ungil_hook.so"), self.file.clone(), self.at("trouble")];
        let arguments = paths.map(|p| format!("{:?}", self.target_path(&p))).join(", ");
        fs::write(&script, format!("{SCRIPT}ask({what:?}, {arguments})\ndel ask\n"))
            .map_err(AllocError::Prepare)?;
        let owner = fs::metadata(self.dir.path()).map_err(AllocError::Prepare)?;
        chown(&script, Some(owner.uid()), Some(owner.gid())).map_err(AllocError::Prepare)?;
        let mut command = interpreter(self.pid);
        command.args(["-sP", "-c", ASK]).arg(self.pid.to_string()).arg(self.target_path(&script));
        let out = command.stdin(Stdio::null()).output().map_err(|source| AllocError::Start {
            program: format!("the program of process {}", self.pid),
            source,
        })?;
        if out.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&out.stderr);
        let message = text
            .lines()
            .rev()
            .find(|l| !l.trim().is_empty())
            .unwrap_or("no error message")
            .to_string();
        Err(AllocError::RemoteExec { pid: self.pid, message })
    }

    fn start(
        &self,
        timeout: Duration,
        exists: &dyn Fn() -> bool,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<(), AllocError> {
        self.request("start")?;
        let began = Instant::now();
        loop {
            match self.table.get(head::STATE) {
                state::PREPARED => {}
                state::REFUSED => return Err(AllocError::Refused(self.table.get(head::REFUSAL))),
                _ => return Ok(()),
            }
            if let Ok(trouble) = fs::read_to_string(self.at("trouble")) {
                return Err(AllocError::Load(trouble));
            }
            let error = match (exists(), stop(), began.elapsed() > timeout) {
                (false, _, _) => AllocError::Ended(self.pid),
                (_, true, _) => AllocError::Interrupted,
                (_, _, true) => {
                    let waited_s = timeout.as_secs_f64();
                    AllocError::Timeout {
                        pid: self.pid,
                        waited_s,
                        doing: main_thread_activity(self.pid),
                    }
                }
                _ => {
                    std::thread::sleep(POLL_INTERVAL);
                    continue;
                }
            };
            return Err(error);
        }
    }

    /// Withdraws a request: replaces its script with one that only removes itself. A request cannot
    /// be cancelled, and the target prints an error if its script is missing.
    fn withdraw(self, what: &str) {
        let script = self.at(&format!("{what}.py"));
        let [file, folder] =
            [&*script, self.dir.path()].map(|path| format!("{:?}", self.target_path(path)));
        let nothing = WITHDRAWN.replace("FILE", &file).replace("FOLDER", &folder);
        let dir = self.dir.keep();
        for file in fs::read_dir(&dir).into_iter().flatten().flatten().map(|e| e.path()) {
            let _ =
                if file == script { fs::write(&file, &nothing) } else { fs::remove_file(&file) };
        }
    }

    /// Ends the profile: by the main thread, or failing that by the next thread that samples.
    /// Returns whether the main thread did it.
    fn end(&self, timeout: Duration, exists: &dyn Fn() -> bool) -> io::Result<bool> {
        let over = || !exists() || self.table.get(head::STATE) != state::RUNNING;
        let wait = |how_long: Duration| {
            let began = Instant::now();
            while !over() && began.elapsed() < how_long {
                std::thread::sleep(POLL_INTERVAL);
            }
        };
        if !over() && self.request("stop").is_ok() {
            wait(timeout);
        }
        let answered = over();
        if !answered {
            self.table.set(head::STOP, 1)?;
            wait(Duration::from_secs(1));
        }
        Ok(answered)
    }
}

/// Builds a command that runs the same interpreter as process `pid`. Its file may have been
/// replaced or deleted since, but is still accessible under `/proc`. It finds its standard library
/// by the original file name and the target's environment variables.
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

/// Says why a process's main thread does not respond, as far as the kernel shows it.
fn main_thread_activity(pid: u32) -> String {
    if is_stopped(pid) {
        return "it is stopped by a signal or a debugger (`kill -CONT` resumes it)".into();
    }
    match SyscallFile::open(pid, pid).map(|file| file.read()) {
        Ok(KernelState::Running) => {
            "its main thread runs native code, and Python handles requests only between two bytecode instructions".into()
        }
        Ok(KernelState::SystemCall(call)) => {
            let call = call.name().map_or_else(|| format!("number {}", call.number), str::to_owned);
            format!(
                "its main thread is in the system call {call}, and Python handles requests only between two bytecode instructions"
            )
        }
        _ => "its main thread does not reach a point where Python handles requests".into(),
    }
}
