//! Prints what objects are called: `cargo run -p ungil-remote --example names PID ADDRESS...` (hexadecimal).
use ungil_remote::Python;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let python = Python::attach(words.next().ok_or("usage: names PID ADDRESS...")?.parse()?)?;
    let wanted: Vec<u64> = words.map(|word| u64::from_str_radix(&word, 16)).collect::<Result<_, _>>()?;
    let mut frames = Vec::new();
    for interpreter in python.interpreters()? {
        for thread in python.threads(interpreter)? {
            frames.extend(python.stack(&thread)?.frames);
        }
    }
    let names = python.names(wanted.iter().copied(), &frames);
    for address in wanted {
        println!("{address:x}  {}", names.get(&address).map_or("?".into(), ToString::to_string));
    }
    Ok(())
}
