//! The echo in C: virtual threads over the archive, then an OS thread for each connection.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::build::Programs;
use super::process::{self, Program, number};
use super::report::{self, Figures, Others, Report};
use super::{DemoArguments, FINISH, QUIET, READY, SILENCE, Shown, load, note};

/// Runs both, and shows them beside each other.
///
/// # Errors
/// When a program could not be run.
pub(super) fn show(args: &DemoArguments, programs: Programs) -> Result<Shown> {
    let carriers = args.carriers();
    println!("C, one virtual thread per connection, {carriers} carriers:");
    let (figures, others, mut losses) =
        with_virtual_threads(args, carriers, Command::new(programs.server))?;
    println!("C, one OS thread per connection:");
    let (threads, lost) = with_os_threads(args, Command::new(programs.threads))?;
    losses.extend(lost);
    let report = Report { connections: args.connections, carriers, figures, others, threads };
    Ok(Shown { table: report.table(), losses })
}

/// The server of virtual threads: quiet first, then under load, then to its end.
fn with_virtual_threads(
    args: &DemoArguments,
    carriers: u32,
    mut server: Command,
) -> Result<(Figures, Others, Vec<String>)> {
    server.args([carriers.to_string(), args.virtual_threads.to_string()]);
    let mut server = Program::start("server", server, process::json)?;
    let ready = server.expect("ready", READY)?;
    println!(
        "  {} virtual threads started in {:.0} ms, {:.0} bytes each",
        report::grouped(number(&ready, "others")),
        number(&ready, "start_ms"),
        number(&ready, "rss_per_vt")
    );
    // What the others cost by themselves; the start has its own figure.
    let (cpu, from) = (server.cpu()?, Instant::now());
    std::thread::sleep(QUIET);
    let quiet_cpu = (server.cpu()? - cpu).as_secs_f64() / from.elapsed().as_secs_f64();
    server.send("quiet")?;
    let quiet = server.expect("phase", SILENCE)?;

    let (figures, mut losses) = load(args, &mut server, number(&ready, "port"), "c")?;
    server.send("load")?;
    let loaded = server.expect("phase", SILENCE)?;
    let from = Instant::now();
    server.close();
    let finished = server.expect("finished", FINISH)?;
    println!(
        "  {} virtual threads joined in {:.0} ms",
        report::grouped(number(&finished, "joined")),
        from.elapsed().as_secs_f64() * 1e3
    );
    let status = server.wait(FINISH)?;

    for (key, what) in [
        ("lost", "virtual threads that could not be joined"),
        ("uneven", "ring members that missed a turn"),
        ("early", "sleepers that woke early"),
        ("refused", "connections refused"),
    ] {
        note(&mut losses, number(&finished, key), what);
    }
    if losses.is_empty() && !status.success() {
        losses.push(format!("the server ended with {status}"));
    }
    if args.virtual_threads > 0 && number(&loaded, "woken") == 0.0 {
        losses.push("no sleeper woke under load".to_owned());
    }
    Ok((figures, Others { ready, quiet, loaded, quiet_cpu }, losses))
}

/// The same load on a thread per connection.
fn with_os_threads(args: &DemoArguments, server: Command) -> Result<(Figures, Vec<String>)> {
    let mut server = Program::start("threads", server, process::json)?;
    let ready = server.expect("ready", READY)?;
    let (figures, losses) = load(args, &mut server, number(&ready, "port"), "c")?;
    server.close();
    let status = server.wait(FINISH)?;
    ensure!(status.success(), "the server of OS threads ended with {status}");
    let named = losses.iter().map(|loss| format!("{loss} (OS threads)")).collect();
    Ok((figures, named))
}
