//! Prints the largest types of a process's heap: `cargo run -p ungil-remote --example heap PID`.
use std::time::Duration;
use ungil_remote::{Python, heap};
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args().nth(1).ok_or("usage: heap PID")?.parse()?;
    let python = Python::attach(pid)?;
    let found = heap::survey(&python, Duration::from_secs(60), &mut |_| true)?;
    for count in found.types.iter().take(20) {
        println!("{:>10} {:>12}  {}.{}", count.objects, count.bytes, count.module, count.name);
    }
    println!("{} objects in {:.3} s {:?}", found.objects, found.took_s, found.look);
    println!("{:?}\n{:?}\n{:?}", found.mimalloc, found.pymalloc, found.abandoned);
    for thread in &found.threads {
        println!("{thread:?}");
    }
    for mapped in &found.mapped {
        println!("{mapped:?}");
    }
    Ok(())
}
