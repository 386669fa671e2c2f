//! Queues. What hands the items over is in `ungil_sync::queue`; here is what waits for them: threads with their deadlines and signals,
//! and event loops.

mod delay;
mod exchanger;
mod futures;
mod gates;
mod kinds;
mod order;
mod ranked;
mod waiting;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// `queue`'s exceptions, themselves: code that catches those of one queue catches those of the other.
static ERRORS: PyOnceLock<[Py<PyType>; 3]> = PyOnceLock::new();

/// Which of them.
#[derive(Clone, Copy)]
enum Error {
    Empty,
    Full,
    ShutDown,
}

#[cold]
fn error(py: Python<'_>, which: Error) -> PyErr {
    let errors = ERRORS.get_or_try_init(py, || {
        let queue = py.import("queue")?;
        let class = |name: &str| -> PyResult<Py<PyType>> { Ok(queue.getattr(name)?.cast_into()?.unbind()) };
        Ok::<_, PyErr>([class("Empty")?, class("Full")?, class("ShutDown")?])
    });
    errors.map_or_else(|e| e, |errors| PyErr::from_type(errors[which as usize].bind(py).clone(), ()))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    waiting::look_around(module.py())?;
    module.add_class::<kinds::Queue>()?;
    module.add_class::<kinds::LifoQueue>()?;
    module.add_class::<kinds::PriorityQueue>()?;
    module.add_class::<delay::DelayQueue>()?;
    module.add_class::<exchanger::Exchanger>()
}
