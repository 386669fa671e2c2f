//! Prints where the fields of a process are that its table of offsets does not name: `cargo run -p
//! ungil-remote --example layout PID`.
use ungil_remote::Python;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args().nth(1).ok_or("usage: layout PID")?.parse()?;
    println!("{:#?}", Python::attach(pid)?.layout());
    Ok(())
}
