//! Queues. `ungil_sync::queue` holds and passes the items; this module waits for them: threads with
//! their deadlines and signals, and event loops.

mod delay;
mod exchanger;
mod futures;
mod order;
mod priority;
mod queue;
mod wait_queues;
mod waiting;

use crate::imported;
use pyo3::prelude::*;

/// An exception of the `queue` module, so that code can catch the errors of both packages alike.
#[derive(Clone, Copy)]
enum QueueError {
    Empty,
    Full,
    ShutDown,
}

#[cold]
fn queue_error(py: Python<'_>, which: QueueError) -> PyErr {
    let class = match which {
        QueueError::Empty => imported::empty(py),
        QueueError::Full => imported::full(py),
        QueueError::ShutDown => imported::shut_down(py),
    };
    class.call0().map_or_else(|error| error, PyErr::from_value)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    waiting::configure_spinning(module.py())?;
    module.add_class::<queue::Queue>()?;
    module.add_class::<queue::LifoQueue>()?;
    module.add_class::<queue::PriorityQueue>()?;
    module.add_class::<delay::DelayQueue>()?;
    module.add_class::<exchanger::Exchanger>()
}
