//! The machine's compilers, or those of `DRIFT_CC` and `DRIFT_CXX`, and what they make of the
//! programs.
//!
//! A program links as a Drift user links it: `cc program.c libdrift_rt.a -pthread`, nothing else.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::{env, fs, thread};

/// A compiler in one language.
#[derive(Clone, Copy)]
pub struct Compiler {
    /// As it stands in the names of the tests.
    pub name: &'static str,
    /// With its arguments, separated by spaces.
    command: &'static str,
    /// C++17 instead of C11.
    pub cxx: bool,
}

/// A program and what became of it: the path of the executable, or what the compiler said.
pub struct Built {
    pub compiler: Compiler,
    pub program: &'static str,
    pub result: Result<PathBuf, String>,
}

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// One command instead of all that are known, and one for C++ beside it.
static CROSS: LazyLock<Option<String>> = LazyLock::new(|| env::var("DRIFT_CC").ok());
static CROSS_CXX: LazyLock<Option<String>> = LazyLock::new(|| env::var("DRIFT_CXX").ok());

impl Compiler {
    /// Those that can be run here.
    pub fn present() -> Vec<Self> {
        if let Some(command) = &*CROSS {
            let cxx = CROSS_CXX.as_deref();
            let cxx = cxx.map(|command| Self { name: "cross_cxx", command, cxx: true });
            let c = Self { name: "cross", command, cxx: false };
            return [c].into_iter().chain(cxx).collect();
        }
        let known = [
            Self { name: "c11_gcc", command: "gcc", cxx: false },
            Self { name: "cxx17_gcc", command: "g++", cxx: true },
            Self { name: "c11_clang", command: "clang", cxx: false },
            Self { name: "cxx17_clang", command: "clang++", cxx: true },
        ];
        let mut present: Vec<_> = known.into_iter().filter(Self::runs).collect();
        if present.is_empty() {
            present.push(Self { name: "c11_cc", command: "cc", cxx: false });
        }
        present
    }

    fn runs(&self) -> bool {
        let mut version = crate::run::command(self.command);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    }

    /// Whether it may be for another machine than this.
    pub fn is_cross() -> bool {
        CROSS.is_some()
    }

    /// C without optimisation, as the Drift toolchain compiles; C++ with. No frame of C touches
    /// its pages one after the other, whatever the compiler was configured for: what steps over a
    /// guard must be found all the same (`ffi/tests/overflow.c`).
    fn command(self, include: &Path) -> Command {
        let mut command = crate::run::command(self.command);
        match self.cxx {
            true => command.args(["-std=c++17", "-O2", "-x", "c++"]),
            false => command.args(["-std=c11", "-O0", "-fno-stack-clash-protection", "-x", "c"]),
        };
        command.arg("-g").args(WARNINGS).arg("-I").arg(include);
        command
    }
}

/// Compiles everything, as many at once as there are CPUs.
pub fn all(
    workspace: &Path,
    archive: &Path,
    wanted: &[(Compiler, Vec<&'static str>)],
) -> Vec<Built> {
    let pairs = wanted
        .iter()
        .flat_map(|(compiler, programs)| programs.iter().map(|program| (*compiler, *program)));
    let left = Mutex::new(pairs.collect::<Vec<_>>());
    let done = Mutex::new(Vec::new());
    let next = || left.lock().expect("no compilation panics").pop();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((compiler, program)) = next() {
                    let result = one(workspace, archive, compiler, program);
                    let built = Built { compiler, program, result };
                    done.lock().expect("no compilation panics").push(built);
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no compilation panics");
    done.sort_by_key(|built| (built.compiler.name, built.program));
    done
}

fn one(
    workspace: &Path,
    archive: &Path,
    compiler: Compiler,
    program: &str,
) -> Result<PathBuf, String> {
    let name = format!("{}-{}", compiler.name, program.replace('/', "_"));
    let output = crate::scratch().join(name);
    let mut command = compiler.command(&workspace.join("ffi/include"));
    let ending = if crate::CXX_PROGRAMS.contains(&program) { "cpp" } else { "c" };
    command.arg(workspace.join("ffi/tests").join(program).with_extension(ending));
    let shared = archive.with_extension("so");
    command.arg(format!("-DDRIFT_RT_SO=\"{}\"", shared.display()));
    command.args(["-x", "none"]).arg(archive).arg("-pthread").arg("-o").arg(&output);
    finish(command)?;
    Ok(output)
}

/// Compiles `drift.h` and nothing else.
pub fn header(compiler: Compiler, include: &Path) -> Result<(), String> {
    let source = crate::scratch().join(format!("{}-header.c", compiler.name));
    fs::write(&source, "#include <drift.h>\n").map_err(|error| error.to_string())?;
    let mut command = compiler.command(include);
    command.arg("-fsyntax-only").arg(source);
    finish(command)
}

fn finish(mut command: Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}\n{}", String::from_utf8_lossy(&output.stderr))),
    }
}
