//! The HTTP/1.1 server in Rust: requests on connections that stay open, then all of them asleep.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::process::{Program, number};
use super::report;
use super::{DemoArguments, READY, Shown, load, note};

/// Runs the server under load. It serves until it is ended.
///
/// # Errors
/// When it could not be run, or ended by itself.
pub(super) fn show(args: &DemoArguments, http: PathBuf) -> Result<Shown> {
    let carriers = args.carriers();
    println!("Rust, one virtual thread per connection, {carriers} carriers:");
    let mut command = Command::new(http);
    command.args(["127.0.0.1:0", &carriers.to_string()]);
    let mut server = Program::start("HTTP server", command, ready)?;
    let port = number(&server.expect("port", READY)?, "port");
    let (figures, mut losses) = load(args, &mut server, port, "rust")?;
    if let Ok(status) = server.wait(Duration::ZERO) {
        losses.push(format!("the HTTP server ended with {status}"));
    }
    let sleep = &figures.result["sleep"];
    note(&mut losses, number(sleep, "early"), "replies before their time");
    let losses = losses.iter().map(|loss| format!("{loss} (Rust)")).collect();
    Ok(Shown { table: report::http(args.connections, carriers, &figures), losses })
}

/// `listening on 127.0.0.1:PORT`; all other lines are the server's own.
fn ready(line: &str) -> Option<Value> {
    let address: SocketAddr = line.strip_prefix("listening on ")?.trim().parse().ok()?;
    Some(json!({"port": address.port()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_line_that_names_it_and_no_other() {
        assert_eq!(ready("listening on 127.0.0.1:7000"), Some(json!({"port": 7000})));
        assert_eq!(ready("listening on port 7000"), None);
        assert_eq!(ready("{\"port\": 7000}"), None);
    }
}
