//! Builds the archive with cargo, and the two servers with the machine's C compiler.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The servers, ready to run.
pub struct Programs {
    /// Virtual threads, over the archive.
    pub server: PathBuf,
    /// OS threads, over nothing.
    pub threads: PathBuf,
}

/// Builds both servers; the archive too, unless one is given.
///
/// # Errors
/// When cargo or the C compiler fails.
pub fn programs(archive: Option<&Path>) -> Result<Programs> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the xtask package lies in the workspace")?;
    let archive = match archive {
        Some(archive) => archive.to_owned(),
        None => self::archive(root)?,
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

/// [`archive::BUILD`]; cargo itself says where the archive went.
fn archive(root: &Path) -> Result<PathBuf> {
    println!("building the archive");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "-p", "drift-ffi", "--message-format=json-render-diagnostics"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(built.status.success(), "the archive does not build: {}", built.status);
    archive_of(&String::from_utf8_lossy(&built.stdout))
        .context("cargo built drift-ffi and named no archive")
}

/// The archive among the artifacts that cargo names, one JSON object per line.
fn archive_of(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["name"] == "drift_rt")
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|name| name.extension().is_some_and(|extension| extension == "a"))
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
    fn the_archive_is_found_among_the_artifacts_of_cargo() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"spin\"},",
            "\"filenames\":[\"/t/libspin.a\"]}\n",
            "not json\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"drift_rt\"},",
            "\"filenames\":[\"/t/libdrift_rt.so\",\"/t/libdrift_rt.a\"]}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        assert_eq!(archive_of(messages), Some(PathBuf::from("/t/libdrift_rt.a")));
    }
}
