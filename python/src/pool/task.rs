//! The tasks in a pool's queues.

use super::bulk::Bulk;
use super::future::Future;
use pyo3::prelude::*;
use std::sync::Arc;

/// A task in a pool's queues.
pub(crate) enum Task {
    /// One call, represented by its future.
    Call(Py<Future>),
    /// An invitation to work on a bulk operation.
    Bulk(Arc<Bulk>),
}
