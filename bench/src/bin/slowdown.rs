//! Measures how much profiling slows down its target: the same work alone, under `ungil profile` at
//! 1 kHz and under CPython's own profiler at 1 kHz, in blocks of all three in changing order. The
//! target times its work itself.
//!
//! `BENCH_PYTHON=… cargo run --release -p ungil-bench --bin slowdown [BLOCKS]`; `$BENCH_PYTHON`
//! must be a 3.15t.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use ungil_bench::{AnyResult, format_ratio, python, ungil};
use ungil_experiment::stats::paired;

/// Prints `ready`, waits for a line, works, and prints how long that took.
const TARGET: &str = "
import sys, threading, time
def leaf(n):
    total = 0
    for i in range(n): total += i * i
    return total
def work():
    for _ in range(int(sys.argv[2])): leaf(2000)
print('ready', flush=True)
sys.stdin.readline()
begin = time.perf_counter()
threads = [threading.Thread(target=work) for _ in range(int(sys.argv[1]))]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(time.perf_counter() - begin, flush=True)
sys.stdin.readline()
";

/// The profiler that is attached.
#[derive(Clone, Copy, PartialEq)]
enum Arm {
    Unprofiled,
    Ungil,
    Tachyon,
}

fn main() -> AnyResult<()> {
    let blocks: usize = std::env::args().nth(1).map_or(Ok(20), |text| text.parse())?;
    let rounds = std::env::var("BENCH_LOOP").unwrap_or_else(|_| "20000".into());
    let python = python();
    for threads in ["1", "2"] {
        let mut times: [Vec<f64>; 3] = Default::default();
        let mut arms = [Arm::Unprofiled, Arm::Ungil, Arm::Tachyon];
        for block in 0..blocks {
            arms.rotate_left(1);
            if block % 2 == 1 {
                arms.swap(1, 2);
            }
            for arm in arms {
                times[arm as usize].push(run(&python, threads, &rounds, arm)?);
            }
        }
        println!(
            "{threads} busy threads, {blocks} blocks, time when profiled at 1 kHz over time alone:"
        );
        for (arm, name) in [(Arm::Ungil, "ungil profile"), (Arm::Tachyon, "profiling.sampling")] {
            let pairs: Vec<_> =
                times[arm as usize].iter().copied().zip(times[0].iter().copied()).collect();
            println!("  {name:20}{}", format_ratio(&paired(&pairs, 1).ok_or("no pairs")?));
        }
    }
    Ok(())
}

/// Returns the seconds that the work took.
fn run(python: &str, threads: &str, rounds: &str, arm: Arm) -> AnyResult<f64> {
    let mut target = Command::new(python)
        .args(["-c", TARGET, threads, rounds])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(target.stdout.take().ok_or("no output")?).lines();
    let mut input = target.stdin.take().ok_or("no input")?;
    lines.next().ok_or("it ended")??;
    let watcher = watch(python, target.id(), arm)?;
    // Waits until the profiler samples. Without a profiler the wait is the same as with ungil.
    std::thread::sleep(Duration::from_millis(if arm == Arm::Tachyon { 1500 } else { 500 }));
    writeln!(input)?;
    let seconds = lines.next().ok_or("it ended")??.parse()?;
    drop(input);
    target.wait()?;
    if let Some((mut watcher, _dir)) = watcher {
        watcher.wait()?;
    }
    Ok(seconds)
}

/// Starts the profiler, which ends with the target.
fn watch(python: &str, pid: u32, arm: Arm) -> AnyResult<Option<(Child, tempfile::TempDir)>> {
    let (dir, pid) = (tempfile::tempdir()?, pid.to_string());
    let mut command = match arm {
        Arm::Unprofiled => return Ok(None),
        Arm::Ungil => {
            let mut command = Command::new(ungil()?);
            command.args(["profile", &pid, "--rate", "1khz", "--quiet", "--duration", "60s"]);
            command
        }
        Arm::Tachyon => {
            let mut command = Command::new(python);
            command.args([
                "-m",
                "profiling.sampling",
                "attach",
                "-a",
                "-r",
                "1khz",
                "-d",
                "60",
                &pid,
            ]);
            command
        }
    };
    command
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(Some((command.spawn()?, dir)))
}
