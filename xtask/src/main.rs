//! `cargo xtask`: everything that is done to this workspace, with no tool to install.

mod archive;
mod board;
mod ci;
mod coverage;
mod cross;
mod demo;
mod dist;
mod fuzz;
mod header;
mod miri;
mod models;
mod mutants;
mod nightly;
mod sanitize;
mod sim;
mod soak;
mod step;
mod surface;
mod symbols;
mod test;
mod tidy;
mod vm;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, test and show the drift runtime")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The main job: an echo server under load, and what it took.
    Demo(demo::DemoArguments),
    /// Every test that a user's machine can run in minutes.
    Test,
    /// What CI runs.
    Ci(ci::CiArguments),
    /// The habits that a machine can check.
    Tidy,
    /// Writes ffi/include/drift.h from ffi/src.
    Header(header::HeaderArguments),
    /// Compares the public items of the crate `drift` with the reviewed list.
    Surface(surface::SurfaceArguments),
    /// Compares the symbols of the library with the reviewed lists.
    Symbols(symbols::SymbolsArguments),
    /// Which lines of `core` and `pal` no test reaches, and why not.
    Coverage(coverage::CoverageArguments),
    /// A folder to install: library, header, pkg-config and CMake files.
    Dist,
    /// Explores the models of the protocols, in every interleaving.
    Models(models::ModelsArguments),
    /// Boots an image without an operating system in an emulated machine.
    Board(board::BoardArguments),
    /// The tests of `pal` on another Linux kernel, in an emulated machine.
    Vm(vm::VmArguments),
    /// Puts bugs in, and sees that each is found.
    Mutants(mutants::MutantsArguments),
    /// Programs in simulated worlds, over many seeds.
    Sim(sim::SimArguments),
    /// Everything at once on the real platform, for as long as you like.
    Soak(soak::SoakArguments),
    /// Inputs that grow towards what none has reached yet: handles, policies, the timing wheel.
    Fuzz(fuzz::FuzzArguments),
    /// The long forms of the tests: hours.
    Nightly(nightly::NightlyArguments),
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let xtask = env::var_os("CARGO_MANIFEST_DIR");
    let mut root = xtask.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    root.pop();
    root
}

/// The folder that cargo builds in, if it is not `target` in the workspace.
fn target_is_elsewhere() -> Option<PathBuf> {
    env::var_os("CARGO_TARGET_DIR").map(|target| root().join(target))
}

/// The folder that cargo builds in.
fn target() -> PathBuf {
    target_is_elsewhere().unwrap_or_else(|| root().join("target"))
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Demo(arguments) => demo::run(arguments),
        Task::Test => test::run(),
        Task::Ci(arguments) => ci::run(&arguments),
        Task::Tidy => tidy::run(),
        Task::Header(arguments) => header::run(&arguments),
        Task::Surface(arguments) => surface::run(&arguments),
        Task::Symbols(arguments) => symbols::run(&arguments),
        Task::Coverage(arguments) => coverage::run(&arguments),
        Task::Dist => dist::run(),
        Task::Board(arguments) => board::run(&arguments),
        Task::Sim(arguments) => sim::run(&arguments),
        Task::Models(arguments) => models::run(&arguments),
        Task::Vm(arguments) => vm::run(&arguments),
        Task::Mutants(arguments) => mutants::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Soak(arguments) => soak::run(&arguments),
        Task::Nightly(arguments) => nightly::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
