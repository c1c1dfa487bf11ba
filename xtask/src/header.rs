//! `ffi/include/drift.h`, made by cbindgen from `ffi/src`.

use std::fs;

use anyhow::{Context, Result, ensure};

#[derive(clap::Args)]
pub struct HeaderArguments {
    /// Fails if the committed header is not what would be written.
    #[arg(long)]
    pub check: bool,
}

/// Writes the header, or checks it.
pub fn run(arguments: &HeaderArguments) -> Result<()> {
    let ffi = crate::root().join("ffi");
    let config = cbindgen::Config::from_file(ffi.join("cbindgen.toml"))
        .map_err(|error| anyhow::anyhow!("ffi/cbindgen.toml: {error}"))?;
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["thread", "exec", "reactor", "time", "testing", "lib"] {
        builder = builder.with_src(ffi.join("src").join(file).with_extension("rs"));
    }
    let mut header = Vec::new();
    builder.generate().context("cbindgen refuses ffi/src")?.write(&mut header);
    let path = ffi.join("include/drift.h");
    if !arguments.check {
        fs::create_dir_all(ffi.join("include"))?;
        return Ok(fs::write(path, header)?);
    }
    let committed = fs::read(&path).context("ffi/include/drift.h is missing")?;
    ensure!(committed == header, "ffi/include/drift.h is old: cargo xtask header");
    println!("header: ffi/include/drift.h is what ffi/src says");
    Ok(())
}
