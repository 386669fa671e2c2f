//! Where interpreters are searched: folders from the environment, as plain values.
//!
//! Only [`Search::from_env`] reads the environment, so tests and other callers control exactly what
//! is searched.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where interpreters are searched. An empty list or `None` searches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The directories of `$PATH`. An installation also finds `uv`, `apt-get` and other tools here.
    pub path: Vec<PathBuf>,
    /// The entries of `$UNGIL_PYTHONS`: an executable, a prefix, or a directory of prefixes.
    pub environment: Vec<PathBuf>,
    /// The folder of `ungil pythons install`: one prefix per version.
    pub own: PathBuf,
    /// uv's folders: one prefix per version.
    pub uv: Vec<PathBuf>,
    /// pyenv's roots, with interpreters in `versions`.
    pub pyenv: Vec<PathBuf>,
    /// conda prefixes, each with environments in `envs`.
    pub conda: Vec<PathBuf>,
    /// Where Debian packages install interpreters; `None` on other systems.
    pub debian: Option<PathBuf>,
    /// Time limit of the probe of each candidate.
    pub time_limit: Duration,
}

impl Default for Search {
    /// Returns a search of nothing, to be filled in.
    fn default() -> Self {
        Search {
            path: Vec::new(),
            environment: Vec::new(),
            own: PathBuf::new(),
            uv: Vec::new(),
            pyenv: Vec::new(),
            conda: Vec::new(),
            debian: None,
            time_limit: Duration::from_secs(5),
        }
    }
}

impl Search {
    /// Returns a search of the folders that this process's environment names.
    pub fn from_env() -> Search {
        Search::from_vars(
            &|name| env::var_os(name).filter(|value| !value.is_empty()),
            env::home_dir(),
        )
    }

    fn from_vars(var: &dyn Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Search {
        let list =
            |name| var(name).map(|value| env::split_paths(&value).collect()).unwrap_or_default();
        let dir = |name: &str| var(name).map(PathBuf::from);
        let home = home.filter(|home| home.is_absolute());
        let in_home = |rest: &str| home.as_ref().map(|home| home.join(rest));
        // XDG base directory specification: relative paths are invalid and must be ignored.
        let data = dir("XDG_DATA_HOME")
            .filter(|dir| dir.is_absolute())
            .or_else(|| in_home(".local/share"));
        let own = dir("UNGIL_HOME")
            .and_then(|dir| std::path::absolute(dir).ok())
            .or_else(|| data.as_ref().map(|data| data.join("ungil")))
            .unwrap_or_else(|| env::temp_dir().join("ungil"));
        let uv = dir("UV_PYTHON_INSTALL_DIR")
            .or_else(|| data.as_ref().map(|data| data.join("uv/python")));
        let pyenv = dir("PYENV_ROOT").or_else(|| in_home(".pyenv"));
        Search {
            path: list("PATH"),
            environment: list("UNGIL_PYTHONS"),
            own: own.join("pythons"),
            uv: uv.into_iter().collect(),
            pyenv: pyenv.into_iter().collect(),
            conda: conda_prefixes(&dir, home.as_deref()),
            debian: Path::new("/etc/debian_version").exists().then(|| PathBuf::from("/usr/bin")),
            ..Search::default()
        }
    }

    /// Finds a command on the search path.
    pub(crate) fn command(&self, name: &str) -> Option<PathBuf> {
        self.path.iter().map(|dir| dir.join(name)).find(|file| crate::inspect::is_executable(file))
    }
}

/// Returns the prefixes in which conda environments may be. conda has no single root, so these are:
/// the active prefix, the roots of `conda` and `mamba`, conda's own list of environments, and the
/// default folders of the installers.
fn conda_prefixes(dir: &dyn Fn(&str) -> Option<PathBuf>, home: Option<&Path>) -> Vec<PathBuf> {
    let mut prefixes: Vec<PathBuf> =
        ["CONDA_PREFIX", "MAMBA_ROOT_PREFIX"].into_iter().filter_map(dir).collect();
    let above = |file: PathBuf| file.parent().and_then(Path::parent).map(Path::to_owned);
    prefixes.extend(["CONDA_EXE", "MAMBA_EXE"].into_iter().filter_map(dir).filter_map(above));
    if let Some(home) = home {
        let listed =
            std::fs::read_to_string(home.join(".conda/environments.txt")).unwrap_or_default();
        prefixes.extend(
            listed.lines().map(str::trim).filter(|line| !line.is_empty()).map(PathBuf::from),
        );
        let defaults =
            ["miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", ".conda"];
        prefixes.extend(defaults.iter().map(|name| home.join(name)));
    }
    prefixes.push(PathBuf::from("/opt/conda"));
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn search(vars: &[(&str, &str)], home: Option<&str>) -> Search {
        let vars: HashMap<_, _> = vars.iter().copied().collect();
        Search::from_vars(&|name| vars.get(name).map(OsString::from), home.map(PathBuf::from))
    }

    #[test]
    fn own_folder_follows_the_most_specific_variable() {
        let own = |vars: &[(&str, &str)]| search(vars, Some("/home/ada")).own;
        assert_eq!(own(&[]), Path::new("/home/ada/.local/share/ungil/pythons"));
        assert_eq!(own(&[("XDG_DATA_HOME", "/data")]), Path::new("/data/ungil/pythons"));
        assert_eq!(
            own(&[("XDG_DATA_HOME", "data")]),
            Path::new("/home/ada/.local/share/ungil/pythons")
        );
        assert_eq!(
            own(&[("XDG_DATA_HOME", "/data"), ("UNGIL_HOME", "/u")]),
            Path::new("/u/pythons")
        );
        assert!(search(&[], None).own.is_absolute());
    }

    #[test]
    fn each_installer_is_found_by_its_own_variable() {
        let found = search(
            &[
                ("UV_PYTHON_INSTALL_DIR", "/uv"),
                ("PYENV_ROOT", "/pyenv"),
                ("CONDA_EXE", "/forge/bin/conda"),
                ("UNGIL_PYTHONS", "/a:/b"),
            ],
            None,
        );
        assert_eq!(found.uv, [Path::new("/uv")]);
        assert_eq!(found.pyenv, [Path::new("/pyenv")]);
        assert!(found.conda.contains(&PathBuf::from("/forge")));
        assert_eq!(found.environment, [Path::new("/a"), Path::new("/b")]);
    }
}
