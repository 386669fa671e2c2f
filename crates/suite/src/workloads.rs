//! The workloads: name, category, Python file, the paper's sizes, and the cost of a size, from
//! which sizes are chosen before anything has run.

use serde::{Deserialize, Serialize};
use std::fmt;
use ungil_experiment::arm::Model;

/// The categories of workloads: the paper's four, and shared objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// C code with its own threads, or none.
    Numpy,
    /// One thread.
    Sequential,
    /// Threads that compute independently.
    Numerical,
    /// Threads that create, read and change objects, some of them shared.
    Objects,
    /// Threads that all use the same object.
    Shared,
}

impl Category {
    /// Every category, in display order.
    pub const ALL: [Category; 5] = [
        Category::Numpy,
        Category::Sequential,
        Category::Numerical,
        Category::Objects,
        Category::Shared,
    ];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Category::Numpy => "numpy",
            Category::Sequential => "sequential",
            Category::Numerical => "numerical",
            Category::Objects => "objects",
            Category::Shared => "shared",
        }
    }

    /// Returns the heading.
    pub fn title(self) -> &'static str {
        match self {
            Category::Numpy => "NumPy",
            Category::Sequential => "Sequential",
            Category::Numerical => "Threaded numerical",
            Category::Objects => "Threaded objects",
            Category::Shared => "Shared objects",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A variant of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As described in the paper.
    Plain,
    /// All threads use one object.
    Shared,
    /// Each thread uses its own object.
    Private,
    /// With a structure of the Python package `ungil` instead of the object.
    #[serde(alias = "mended")] // the name in suites written by 0.1
    Fixed,
}

impl Form {
    /// Returns the name that the Python files accept.
    pub fn name(self) -> &'static str {
        match self {
            Form::Plain => "plain",
            Form::Shared => "shared",
            Form::Private => "private",
            Form::Fixed => "fixed",
        }
    }
}

/// Returns the display name of a workload, form and size: `counter private 200000`; the plain form
/// is omitted.
pub fn named(workload: &str, form: Form, size: u64) -> String {
    match form {
        Form::Plain => format!("{workload} {size}"),
        form => format!("{workload} {} {size}", form.name()),
    }
}

/// The cost of a size on the GIL build with one worker. It was measured on one core of a server of
/// 2023. Other machines are faster or slower by a common factor; sizes only need to come close to
/// the requested time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// A size.
    pub at: f64,
    /// Seconds of that size.
    pub seconds: f64,
    /// Work grows with the size to this power.
    pub power: f64,
    /// Maximum live bytes per element.
    pub bytes: f64,
    /// The number of elements grows with the size to this power.
    pub bytes_power: i32,
}

/// A workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// Its name, which is also the name of its file.
    pub name: &'static str,
    pub category: Category,
    /// Source of its Python file.
    pub source: &'static str,
    /// The paper's sizes; a single size of our own if the paper has no such workload.
    pub sizes: &'static [u64],
    /// The cost of a size.
    pub cost: Cost,
    /// Its forms; the first is the default.
    pub forms: &'static [Form],
    /// The execution models that its file accepts; empty if it runs on one thread, or on its own
    /// threads.
    pub models: &'static [Model],
}

impl Workload {
    /// Returns whether it takes a number of workers.
    pub fn parallel(&self) -> bool {
        !self.models.is_empty()
    }

    /// Returns what it computes in a sentence: the first line of its file, after the category.
    pub fn does(&self) -> &'static str {
        let first = self.source.trim_start_matches("\"\"\"").lines().next().unwrap_or_default();
        first.split_once(": ").map_or(first, |(_, does)| does).trim_end_matches(['.', '"'])
    }

    /// Returns the workload with this name.
    pub fn find(name: &str) -> Option<&'static Workload> {
        WORKLOADS.iter().find(|w| w.name == name)
    }
}

/// The module that every workload imports: file name and source.
pub const COMMON: (&str, &str) = ("ungil_suite.py", include_str!("../py/ungil_suite.py"));

const PLAIN: &[Form] = &[Form::Plain];
const BOTH: &[Form] = &[Form::Plain, Form::Fixed];
const TWINS: &[Form] = &[Form::Shared, Form::Private];
const ALL: &[Form] = &[Form::Shared, Form::Private, Form::Fixed];
const ONE: &[Model] = &[];
const THREADS: &[Model] = &[Model::Threads];
const ANY: &[Model] =
    &[Model::Threads, Model::Fork, Model::Spawn, Model::Forkserver, Model::Interpreters];

/// A row: name, category, the paper's sizes, `(at, seconds, power)`, `(bytes, power)`, forms,
/// models.
macro_rules! workloads {
    ($($name:literal $category:ident $sizes:expr, $cost:expr, $bytes:expr, $forms:ident, $models:ident;)*) => {
        /// Every workload, by category.
        pub const WORKLOADS: &[Workload] = &[$(Workload {
            name: $name,
            category: Category::$category,
            source: include_str!(concat!("../py/", $name, ".py")),
            sizes: &$sizes,
            cost: Cost { at: $cost.0, seconds: $cost.1, power: $cost.2, bytes: $bytes.0, bytes_power: $bytes.1 },
            forms: $forms,
            models: $models,
        }),*];
    };
}

const M: u64 = 1_000_000;

workloads! {
    "numpy_vectorized" Numpy [150 * M, 170 * M, 190 * M, 210 * M, 230 * M, 250 * M, 275 * M], (2e7, 0.55, 1.0), (56.0, 1), PLAIN, ONE;
    "numpy_blas" Numpy [6000, 7500, 9000, 10_500, 12_000, 13_500, 15_000], (3000.0, 1.3, 3.0), (28.0, 2), PLAIN, ONE;
    "numpy_fft" Numpy [50 * M, 75 * M, 100 * M, 125 * M, 150 * M, 175 * M, 200 * M], (8e6, 1.1, 1.1), (76.0, 1), PLAIN, ONE;
    "mandelbrot" Sequential [500, 1000, 1500, 2000, 2500, 3000, 3500], (300.0, 0.45, 2.0), (400.0, 1), PLAIN, ONE;
    "bubble_sort" Sequential [5000, 8000, 11_000, 14_000, 17_000, 21_000, 25_000], (3000.0, 0.75, 2.0), (80.0, 1), PLAIN, ONE;
    "prime_sieve" Sequential [16 * M, 20 * M, 24 * M, 28 * M, 32 * M, 36 * M, 40 * M], (8e6, 1.2, 1.0), (14.0, 1), PLAIN, ONE;
    "factorial" Numerical [10_000], (3000.0, 0.7, 2.7), (1.1, 2), PLAIN, ANY;
    "matmul" Numerical [768], (200.0, 0.74, 3.0), (24.0, 2), PLAIN, ANY;
    "nbody" Numerical [2000], (400.0, 1.0, 2.0), (800.0, 1), PLAIN, ANY;
    "json_parse" Objects [2 * M], (1e5, 1.5, 1.0), (240.0, 1), PLAIN, ANY;
    "object_lists_nocopy" Objects [55 * M], (2e6, 0.3, 1.0), (240.0, 1), BOTH, THREADS;
    "object_lists_copy" Objects [55 * M], (2e6, 0.45, 1.0), (260.0, 1), BOTH, ANY;
    "object_lists" Objects [8 * M], (4e5, 0.55, 1.0), (620.0, 1), PLAIN, ANY;
    "dict_read" Shared [50 * M], (2e6, 0.15, 1.0), (0.0, 1), ALL, THREADS;
    "dict_write" Shared [50 * M], (2e6, 0.1, 1.0), (0.0, 1), ALL, THREADS;
    "attribute_read" Shared [50 * M], (2e6, 0.1, 1.0), (0.0, 1), ALL, THREADS;
    "attribute_write" Shared [50 * M], (2e6, 0.06, 1.0), (0.0, 1), TWINS, THREADS;
    "counter" Shared [10 * M], (2e6, 0.2, 1.0), (0.0, 1), ALL, THREADS;
    "list_append" Shared [20 * M], (2e6, 0.1, 1.0), (130.0, 1), ALL, THREADS;
    "deque_turn" Shared [10 * M], (2e6, 0.2, 1.0), (0.0, 1), ALL, THREADS;
    "simple_queue" Shared [10 * M], (2e6, 0.25, 1.0), (0.0, 1), ALL, THREADS;
    "queue_turn" Shared [2 * M], (2e5, 0.4, 1.0), (0.0, 1), ALL, THREADS;
    "immutable_read" Shared [50 * M], (2e6, 0.12, 1.0), (0.0, 1), ALL, THREADS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_start_with_their_category() {
        for workload in WORKLOADS {
            let title = format!("\"\"\"{}: ", workload.category.title());
            assert!(
                workload.source.starts_with(&title),
                "{} does not begin with {title}",
                workload.name
            );
            assert!(workload.does().len() > 10, "{}: {}", workload.name, workload.does());
        }
        assert_eq!(WORKLOADS.iter().filter(|w| w.category != Category::Shared).count(), 13);
    }

    #[test]
    fn files_accept_their_forms_and_models() {
        for workload in WORKLOADS {
            let fixed = workload.source.contains("import ungil\n");
            assert_eq!(workload.forms.contains(&Form::Fixed), fixed, "{}", workload.name);
            let any = workload.source.contains("suite.ANY");
            assert_eq!(workload.models.len() > 1, any, "{}", workload.name);
        }
    }
}
