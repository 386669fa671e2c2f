//! Shortens the paths of frames by the folders that all of them share, such as that of the
//! environment.

use std::os::unix::ffi::OsStrExt;
use ungil_remote::snapshot::{FrameView, Snapshot};
use ungil_remote::unicode::decoded;

/// Shortens the paths of all frames.
pub(super) fn shorten(snapshot: &mut Snapshot) {
    // The process id of a core may belong to another process now.
    let is_live = snapshot.core.is_none();
    let here = is_live
        .then(|| std::fs::read_link(format!("/proc/{}/cwd", snapshot.pid)).ok())
        .flatten()
        .unwrap_or_default();
    let here = decoded(here.as_os_str().as_bytes());
    let threads = snapshot.interpreters.iter_mut().flat_map(|interpreter| &mut interpreter.threads);
    let of_threads = threads.flat_map(|thread| &mut thread.frames);
    let of_tasks = snapshot.tasks.iter_mut().flat_map(|task| &mut task.frames);
    let shorten = |frame: &mut FrameView| frame.file = shortened(&frame.file, &here).to_owned();
    of_threads.chain(of_tasks).for_each(shorten);
}

/// Returns a path relative to the folder of installed packages, the standard library or the
/// process's working folder; any other path unchanged.
fn shortened<'a>(file: &'a str, here: &str) -> &'a str {
    let after = |folder: &str| file.rfind(folder).map(|at| &file[at + folder.len()..]);
    let of_library = || {
        let (_, rest) = file.split_once("/lib/python3.")?;
        let (version, path) = rest.split_once('/')?;
        version.trim_end_matches('t').bytes().all(|byte| byte.is_ascii_digit()).then_some(path)
    };
    let from_here = || file.strip_prefix(here)?.strip_prefix('/');
    after("/site-packages/")
        .or_else(|| after("/dist-packages/"))
        .or_else(of_library)
        .or_else(from_here)
        .filter(|path| !path.is_empty())
        .unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_folders_are_removed() {
        let venv = "/home/somebody/projects/shop/.venv/lib/python3.14t/site-packages/flask/app.py";
        assert_eq!(shortened(venv, "/srv"), "flask/app.py");
        assert_eq!(
            shortened("/usr/lib/python3/dist-packages/yaml/__init__.py", "/srv"),
            "yaml/__init__.py"
        );
        assert_eq!(
            shortened("/usr/lib/python3.14/concurrent/futures/thread.py", "/srv"),
            "concurrent/futures/thread.py"
        );
        assert_eq!(shortened("/srv/shop/orders.py", "/srv"), "shop/orders.py");
        assert_eq!(shortened("/srvice/orders.py", "/srv"), "/srvice/orders.py");
        assert_eq!(shortened("<frozen runpy>", "/srv"), "<frozen runpy>");
        assert_eq!(shortened("orders.py", ""), "orders.py");
    }
}
