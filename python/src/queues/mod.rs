//! Queues. What hands the items over is in `ungil_sync::queue`; here is what waits for them:
//! threads with their deadlines and signals, and event loops.

mod delay;
mod exchanger;
mod futures;
mod gates;
mod kinds;
mod order;
mod ranked;
mod waiting;

use crate::imported;
use pyo3::prelude::*;

/// Which of `queue`'s exceptions: code that catches those of one queue catches those of the other.
#[derive(Clone, Copy)]
enum Error {
    Empty,
    Full,
    ShutDown,
}

#[cold]
fn error(py: Python<'_>, which: Error) -> PyErr {
    let class = match which {
        Error::Empty => imported::empty(py),
        Error::Full => imported::full(py),
        Error::ShutDown => imported::shut_down(py),
    };
    class.call0().map_or_else(|error| error, PyErr::from_value)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    waiting::look_around(module.py())?;
    module.add_class::<kinds::Queue>()?;
    module.add_class::<kinds::LifoQueue>()?;
    module.add_class::<kinds::PriorityQueue>()?;
    module.add_class::<delay::DelayQueue>()?;
    module.add_class::<exchanger::Exchanger>()
}
