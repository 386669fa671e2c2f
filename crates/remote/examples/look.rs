//! Looks as fast as it can for a while and says what came of it.
use std::collections::HashMap;
use std::time::{Duration, Instant};
use ungil_remote::Python;
use ungil_remote::sample::Looker;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args().nth(1).ok_or("usage: look PID [SECONDS] [HZ]")?.parse()?;
    let seconds: f64 = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(2.0);
    let mut looker = Looker::new(Python::attach(pid)?)?;
    let begin = Instant::now();
    let mut thorough = begin;
    let (mut looks, mut torn, mut again, mut seen) = (0u64, 0u64, 0u64, 0u64);
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut names: HashMap<(u64, u64, u32), String> = HashMap::new();
    while begin.elapsed() < Duration::from_secs_f64(seconds) {
        let now = Instant::now();
        let is = now >= thorough;
        if is {
            thorough = now + Duration::from_micros(500);
        }
        let look = looker.look(is)?;
        looks += 1;
        torn += u64::from(look.torn);
        again += u64::from(look.repeated);
        for slot in looker.threads() {
            seen += u64::from(slot.is_seen());
            if looks % 16 == 0 && slot.is_seen() {
                let mut text = String::new();
                for raw in slot.frames().iter().filter(|raw| !raw.hidden) {
                    let name = names.entry((raw.code, raw.pointer, raw.copy)).or_insert_with(|| {
                        looker
                            .resolve(raw)
                            .map_or("?".into(), |p| format!("{}:{}", p.code.qualname, p.line.unwrap_or(0)))
                    });
                    text.push_str(name);
                    text.push(' ');
                }
                *counts.entry(text).or_default() += 1;
            }
        }
    }
    println!(
        "{:.0} looks/s torn {torn} repeated {again} of {seen}",
        looks as f64 / begin.elapsed().as_secs_f64()
    );
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|c| std::cmp::Reverse(c.1));
    for (text, count) in counts.iter().take(12) {
        println!("{count:7} {text}");
    }
    println!("{} different", counts.len());
    Ok(())
}
