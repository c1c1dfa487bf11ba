//! Builds the archive and the server in Rust with cargo, and the servers in C with the machine's
//! compiler.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::test::EXAMPLES;
use crate::{archive, step};

/// The servers in C, ready to run.
pub struct Programs {
    /// Virtual threads, over the archive.
    pub server: PathBuf,
    /// OS threads, over nothing.
    pub threads: PathBuf,
}

/// Builds both servers in C; the archive too, unless one is given.
///
/// # Errors
/// When cargo or the C compiler fails.
pub fn c(archive: Option<&Path>) -> Result<Programs> {
    let root = crate::root();
    let archive = match archive {
        Some(archive) => archive.to_owned(),
        None => {
            println!("building the archive");
            built(archive::build(), "drift_rt", |name| has_ending(name, "a"))?
        }
    };
    let sources = root.join("xtask/src/demo");
    let output = archive.parent().context("the archive lies in a folder")?.join("demo");
    std::fs::create_dir_all(&output)
        .with_context(|| format!("cannot make {}", output.display()))?;
    let programs = Programs { server: output.join("server"), threads: output.join("threads") };
    let includes = [root.join("ffi/include"), root.join("examples/c")];
    compile(&sources.join("server.c"), &includes, Some(&archive), &programs.server)?;
    compile(&sources.join("threads.c"), &[], None, &programs.threads)?;
    Ok(programs)
}

/// Builds the server in Rust.
///
/// # Errors
/// When cargo fails.
pub fn rust() -> Result<PathBuf> {
    println!("building examples/rust");
    let mut http = step::cargo(&["build", "--release"]);
    http.args(EXAMPLES).args(["--bin", "http"]);
    built(http, "http", |name| has_ending(name, ""))
}

/// Runs cargo, which says itself where things went, and finds the file of `target` that is wanted.
fn built(mut cargo: Command, target: &str, wanted: fn(&Path) -> bool) -> Result<PathBuf> {
    cargo.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = cargo.output().context("cannot run cargo")?;
    ensure!(output.status.success(), "{target} does not build: {}", output.status);
    artifact(&String::from_utf8_lossy(&output.stdout), target, wanted)
        .with_context(|| format!("cargo built {target} and named no such file"))
}

/// The wanted file among the artifacts that cargo names, one JSON object per line.
fn artifact(messages: &str, target: &str, wanted: fn(&Path) -> bool) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["name"] == target)
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|name| wanted(name))
}

fn has_ending(name: &Path, ending: &str) -> bool {
    name.extension().unwrap_or_default() == ending
}

/// The line of `examples/c/README.md`, with `$CC` instead of `cc` where it is set.
fn compile(
    source: &Path,
    includes: &[PathBuf],
    archive: Option<&Path>,
    program: &Path,
) -> Result<()> {
    let named = env::var("CC").unwrap_or_default();
    let mut words = named.split_whitespace();
    let mut compiler = Command::new(words.next().unwrap_or("cc"));
    compiler.args(words).args(["-std=c11", "-O2", "-Wall", "-Wextra", "-o"]).arg(program);
    for include in includes {
        compiler.arg("-I").arg(include);
    }
    compiler.arg(source).args(archive).arg("-pthread");
    println!("compiling {}", source.file_name().unwrap_or_default().to_string_lossy());
    let status = compiler.status().context("cannot run the C compiler; is there a cc, or CC?")?;
    ensure!(status.success(), "{} does not compile: {status}", source.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_file_is_found_among_the_artifacts_of_cargo() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"spin\"},",
            "\"filenames\":[\"/t/libspin.a\"]}\n",
            "not json\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"drift_rt\"},",
            "\"filenames\":[\"/t/libdrift_rt.so\",\"/t/libdrift_rt.a\"]}\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"http\"},",
            "\"filenames\":[\"/t/http.d\",\"/t/http\"]}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        let archive = artifact(messages, "drift_rt", |name| has_ending(name, "a"));
        assert_eq!(archive, Some(PathBuf::from("/t/libdrift_rt.a")));
        let http = artifact(messages, "http", |name| has_ending(name, ""));
        assert_eq!(http, Some(PathBuf::from("/t/http")));
    }
}
