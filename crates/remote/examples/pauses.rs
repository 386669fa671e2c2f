//! Prints collections, stop-the-world pauses and GIL switches of a process: `cargo run -p ungil-remote --example pauses PID SECONDS`.
use std::time::{Duration, Instant};
use ungil_remote::Python;
use ungil_remote::gc::CollectorWatch;
use ungil_remote::world::WorldWatch;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let pid = args.next().ok_or("usage: pauses PID SECONDS")?.parse()?;
    let seconds: f64 = args.next().map_or(Ok(2.0), |text| text.parse())?;
    let python = Python::attach(pid)?;
    let main = *python.interpreters()?.last().ok_or("no interpreter")?;
    let (mut collector, mut world) = (CollectorWatch::default(), WorldWatch::default());
    let began = Instant::now();
    let first = python.gil(main)?;
    let mut unsound = 0;
    while began.elapsed().as_secs_f64() < seconds {
        let now = u64::try_from(began.elapsed().as_nanos())?;
        collector.look(now, python.collector(main)?);
        match python.world(main)? {
            Some(found) => drop(world.look(now, found.requested)),
            None => unsound += 1,
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("{} free-threaded: {}", python.version(), python.offsets().free_threaded);
    println!("{:?}", collector.last().map(|last| last.generations));
    println!("{:?}\n{:?} unsound {unsound}", collector.seen, world.seen);
    let gil = python.gil(main)?;
    println!("{gil:?} {} switches/s", gil.switches.wrapping_sub(first.switches) as f64 / seconds);
    Ok(())
}
