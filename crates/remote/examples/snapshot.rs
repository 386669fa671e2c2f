//! Prints everything one look finds as JSON: `cargo run -p ungil-remote --example snapshot PID`.
use ungil_remote::Python;
use ungil_remote::snapshot::{Options, take};
use ungil_remote::thread_observer::ThreadObserver;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut python = Python::attach(std::env::args().nth(1).ok_or("usage: snapshot PID")?.parse()?)?;
    let mut looker = ThreadObserver::default();
    let snapshot = take(&mut python, &mut looker, Options { source: true, tasks: true, native: None })?;
    println!("{}", serde_json::to_string_pretty(&snapshot)?);
    Ok(())
}
