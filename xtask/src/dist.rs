//! `cargo xtask dist`: a folder to install, and the proof that it works.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::step::{Counts, cargo, command, exists};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes `target/dist/drift-rt-VERSION-TRIPLE` and links `examples/c/hello.c` with it.
pub fn run() -> Result<()> {
    let mut counts = Counts::default();
    counts.step("archive", &mut cargo(&["build", "--release", "-p", "drift-ffi"]))?;
    let dist = fill()?;
    println!("dist: {}", dist.display());
    prove(&mut counts, &dist)
}

fn triple() -> String {
    let output = command("rustc", &["-vV"]).output().map(|output| output.stdout);
    let text = String::from_utf8(output.unwrap_or_default()).unwrap_or_default();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.unwrap_or("unknown").to_owned()
}

fn fill() -> Result<PathBuf> {
    let root = crate::root();
    let dist = root.join("target/dist").join(format!("drift-rt-{VERSION}-{}", triple()));
    for folder in ["include", "lib/pkgconfig", "lib/cmake/drift-rt"] {
        fs::create_dir_all(dist.join(folder))?;
    }
    for (from, to) in [
        ("target/release/libdrift_rt.a", "lib/libdrift_rt.a"),
        ("target/release/libdrift_rt.so", "lib/libdrift_rt.so"),
        ("ffi/include/drift.h", "include/drift.h"),
        ("LICENSE-MIT", "LICENSE-MIT"),
        ("LICENSE-APACHE", "LICENSE-APACHE"),
    ] {
        fs::copy(root.join(from), dist.join(to))?;
    }
    fs::write(dist.join("lib/pkgconfig/drift-rt.pc"), pkg_config())?;
    let cmake = dist.join("lib/cmake/drift-rt");
    fs::write(cmake.join("drift-rt-config.cmake"), CMAKE)?;
    fs::write(cmake.join("drift-rt-config-version.cmake"), cmake_version())?;
    Ok(dist)
}

fn pkg_config() -> String {
    format!(
        "prefix=${{pcfiledir}}/../..\n\
         Name: drift-rt\n\
         Description: The runtime under virtual threads\n\
         Version: {VERSION}\n\
         Cflags: -I${{prefix}}/include\n\
         Libs: -L${{prefix}}/lib -ldrift_rt -pthread\n"
    )
}

const CMAKE: &str = r#"# Imported targets: drift::drift_rt (shared) and drift::drift_rt_static.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
get_filename_component(_drift_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
foreach(_drift_kind IN ITEMS "drift_rt;SHARED;so" "drift_rt_static;STATIC;a")
  list(GET _drift_kind 0 _drift_name)
  list(GET _drift_kind 1 _drift_type)
  list(GET _drift_kind 2 _drift_suffix)
  if(NOT TARGET drift::${_drift_name})
    add_library(drift::${_drift_name} ${_drift_type} IMPORTED)
    set_target_properties(drift::${_drift_name} PROPERTIES
      IMPORTED_LOCATION "${_drift_prefix}/lib/libdrift_rt.${_drift_suffix}"
      IMPORTED_NO_SONAME TRUE
      INTERFACE_INCLUDE_DIRECTORIES "${_drift_prefix}/include"
      INTERFACE_LINK_LIBRARIES Threads::Threads)
  endif()
endforeach()
"#;

fn cmake_version() -> String {
    format!(
        "set(PACKAGE_VERSION {VERSION})\n\
         if(PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)\n  \
         set(PACKAGE_VERSION_COMPATIBLE FALSE)\n\
         else()\n  \
         set(PACKAGE_VERSION_COMPATIBLE TRUE)\n\
         endif()\n"
    )
}

/// Compiles hello.c as a user would, by hand, with pkg-config and with CMake where they are.
fn prove(counts: &mut Counts, dist: &Path) -> Result<()> {
    let build = crate::root().join("target/dist/proof");
    let _ = fs::remove_dir_all(&build);
    fs::create_dir_all(&build)?;
    let hello = crate::root().join("examples/c/hello.c");
    let (hello, lib) = (hello.to_string_lossy(), dist.join("lib"));
    let archive = lib.join("libdrift_rt.a");
    let by_hand = format!(
        "cc -I '{}' '{hello}' '{}' -pthread -o by_hand && ./by_hand",
        dist.join("include").display(),
        archive.display()
    );
    let shell = |script: &str| {
        let mut shell = command("sh", &["-ec", script]);
        shell.current_dir(&build).env("LD_LIBRARY_PATH", &lib);
        shell.env("PKG_CONFIG_PATH", lib.join("pkgconfig"));
        shell
    };
    counts.step("by hand", &mut shell(&by_hand))?;
    if exists("pkg-config") {
        let flags = "$(pkg-config --cflags --libs drift-rt)";
        let script = format!("cc '{hello}' {flags} -o by_pkg_config && ./by_pkg_config");
        counts.step("pkg-config", &mut shell(&script))?;
    } else {
        println!("dist: no pkg-config here to try drift-rt.pc");
    }
    if exists("cmake") {
        let lists = format!(
            "cmake_minimum_required(VERSION 3.16)\nproject(proof C)\n\
             find_package(drift-rt {VERSION} REQUIRED)\n\
             add_executable(static {hello})\n\
             target_link_libraries(static drift::drift_rt_static)\n\
             add_executable(shared {hello})\n\
             target_link_libraries(shared drift::drift_rt)\n"
        );
        fs::write(build.join("CMakeLists.txt"), lists)?;
        let script = format!(
            "cmake -S . -B cmake -DCMAKE_PREFIX_PATH='{}' && cmake --build cmake && \
             ./cmake/static && ./cmake/shared",
            dist.display()
        );
        counts.step("cmake", &mut shell(&script))?;
    } else {
        println!("dist: no cmake here to try drift-rt-config.cmake");
    }
    Ok(())
}
