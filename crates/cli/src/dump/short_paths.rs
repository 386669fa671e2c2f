//! Paths of frames without what all of them have in common: the environment's folders, which may be
//! wider than a terminal.

use std::os::unix::ffi::OsStrExt;
use ungil_remote::snapshot::{FrameView, Snapshot};
use ungil_remote::unicode::decoded;

/// Shortens the paths of every frame.
pub(super) fn shorten(snapshot: &mut Snapshot) {
    // The number of a core's process may be another one's by now.
    let is_live = snapshot.core.is_none();
    let here = is_live
        .then(|| std::fs::read_link(format!("/proc/{}/cwd", snapshot.pid)).ok())
        .flatten()
        .unwrap_or_default();
    let here = decoded(here.as_os_str().as_bytes());
    let threads = snapshot.interpreters.iter_mut().flat_map(|interpreter| &mut interpreter.threads);
    let of_threads = threads.flat_map(|thread| &mut thread.frames);
    let of_tasks = snapshot.tasks.iter_mut().flat_map(|task| &mut task.frames);
    let shorten = |frame: &mut FrameView| frame.file = short(&frame.file, &here).to_owned();
    of_threads.chain(of_tasks).for_each(shorten);
}

/// A path from the folder of installed packages, of the standard library, or of the process on; the
/// whole path of any other.
fn short<'a>(file: &'a str, here: &str) -> &'a str {
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
    fn a_path_begins_where_it_tells_something() {
        let venv = "/home/somebody/projects/shop/.venv/lib/python3.14t/site-packages/flask/app.py";
        assert_eq!(short(venv, "/srv"), "flask/app.py");
        assert_eq!(
            short("/usr/lib/python3/dist-packages/yaml/__init__.py", "/srv"),
            "yaml/__init__.py"
        );
        assert_eq!(
            short("/usr/lib/python3.14/concurrent/futures/thread.py", "/srv"),
            "concurrent/futures/thread.py"
        );
        assert_eq!(short("/srv/shop/orders.py", "/srv"), "shop/orders.py");
        assert_eq!(short("/srvice/orders.py", "/srv"), "/srvice/orders.py");
        assert_eq!(short("<frozen runpy>", "/srv"), "<frozen runpy>");
        assert_eq!(short("orders.py", ""), "orders.py");
    }
}
