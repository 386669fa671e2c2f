//! Name and scope of an object.

/// Scope of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameScope {
    /// Global of this module.
    Module(String),
    /// Local variable of this function.
    Function(String),
}

/// Name of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferrerName {
    /// Path as written in a program: `pool.lock`.
    pub path: String,
    /// Scope of the path's first part.
    pub scope: NameScope,
}

impl std::fmt::Display for ReferrerName {
    /// Formats as `pool.lock`, `queue.mutex in worker()`, `logging._lock`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.scope {
            NameScope::Module(module) if module == "__main__" || module.is_empty() => {
                f.write_str(&self.path)
            }
            NameScope::Module(module) => write!(f, "{module}.{}", self.path),
            NameScope::Function(function) => write!(f, "{} in {function}()", self.path),
        }
    }
}
