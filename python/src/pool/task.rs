//! What lies in a pool's queues.

use super::bulk::Bulk;
use super::future::Future;
use pyo3::prelude::*;
use std::sync::Arc;

/// What lies in a pool's queues.
pub(crate) enum Task {
    /// One call: it is the future, too.
    Call(Py<Future>),
    /// An invitation to work on a row of items.
    Bulk(Arc<Bulk>),
}
