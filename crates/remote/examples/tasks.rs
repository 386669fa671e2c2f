//! Prints asyncio's tasks: `cargo run -p ungil-remote --example tasks PID`.
use ungil_remote::{Python, tasks::Tasks};
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let python = Python::attach(std::env::args().nth(1).ok_or("usage: tasks PID")?.parse()?)?;
    let tasks = Tasks::find(&python)?;
    for interpreter in python.interpreters()? {
        for task in tasks.read(&python, interpreter, &python.threads(interpreter)?)?.0 {
            println!(
                "{:x} {} {:?} {:?} awaits {:x?} {:?} by {:x?}",
                task.address,
                task.name,
                task.coroutine,
                task.state,
                task.awaits,
                task.awaits_other,
                task.awaited_by
            );
            for frame in task.frames {
                println!("    {} {}:{:?}", frame.code.qualname, frame.code.file, frame.line);
            }
        }
    }
    Ok(())
}
