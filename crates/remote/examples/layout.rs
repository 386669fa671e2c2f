//! Prints the offsets of a process that its offset table does not contain: `cargo run -p
//! ungil-remote --example layout PID`.
use ungil_remote::Python;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args().nth(1).ok_or("usage: layout PID")?.parse()?;
    println!("{:#?}", Python::attach(pid)?.layout());
    Ok(())
}
