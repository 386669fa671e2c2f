//! Prints C and Python frames together: `cargo run -p ungil-remote --example native PID [stop]`.
use ungil_remote::Python;
use ungil_remote::native::{NativeError, Row, Stop, Unwinder, weave};
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let python = Python::attach(std::env::args().nth(1).ok_or("usage: native PID")?.parse()?)?;
    let stop = if std::env::args().nth(2).is_some() { Stop::Briefly } else { Stop::Never };
    let mut unwinder = Unwinder::new(python.process())?;
    for interpreter in python.interpreters()? {
        for thread in python.threads(interpreter)? {
            println!("thread {}", thread.native_id);
            let native = match unwinder.stack(thread.native_id, stop) {
                Ok(native) => native,
                Err(error @ (NativeError::Running | NativeError::Unreadable)) => {
                    println!("    {error}");
                    continue;
                }
            };
            let stack = python.stack(&thread)?;
            for row in weave(native, &stack.frames) {
                match row {
                    Row::Native(frame) => {
                        println!("    {:?} {:?}+{:#x}", frame.symbol, frame.file, frame.offset)
                    }
                    Row::Python(index) => println!("  * {}", stack.frames[index].code.qualname),
                }
            }
        }
    }
    Ok(())
}
