//! Prints every thread and stack of a process: `cargo run -p ungil-remote --example threads PID`.
use ungil_remote::Python;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args().nth(1).ok_or("usage: threads PID")?.parse()?;
    let python = Python::attach(pid)?;
    println!("{} free-threaded: {}", python.version(), python.offsets().free_threaded);
    for interpreter in python.interpreters()? {
        for thread in python.threads(interpreter)? {
            let stack = python.stack(&thread)?;
            let name = python.objects().thread_name(&stack.frames);
            println!(
                "{} {:?} {name:?} {:?}",
                interpreter.id,
                (thread.native_id, thread.own_id),
                thread.attachment
            );
            for frame in &stack.frames {
                println!(
                    "    {} ({}:{:?}) {:?}",
                    frame.code.qualname, frame.code.file, frame.line, frame.stack.1
                );
            }
            println!("    torn {} unreadable {}", stack.torn, stack.unreadable);
        }
    }
    Ok(())
}
