//! `cargo xtask dist`: a folder to install, and the proof that it serves its users.
//!
//! ```text
//! target/dist/drift-rt-VERSION-TRIPLE/
//!   include/drift.h
//!   lib/libdrift_rt.{a,so}
//!   lib/pkgconfig/drift-rt.pc, drift-rt-static.pc
//!   lib/cmake/drift-rt/drift-rt-config.cmake, drift-rt-config-version.cmake
//!   LICENSE-MIT, LICENSE-APACHE
//! ```
//!
//! Nothing in it names a path of this machine: it may be moved.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::step::{Steps, command, exists};
use crate::{archive, test};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the example says when it works.
const HELLO: &str = "hello";

/// Makes the folder and links `examples/c/hello.c` with it in every way a user would.
///
/// # Errors
/// When something does not build, or the folder does not serve a user.
pub fn run() -> Result<()> {
    let mut steps = Steps::default();
    test::archive(&mut steps)?;
    let dist = fill()?;
    prove(&mut steps, &dist)?;
    println!("\ndist: {}", dist.display());
    Ok(())
}

fn triple() -> Result<String> {
    let output = command("rustc", &["-vV"]).output().context("rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names its host")?.to_owned())
}

fn fill() -> Result<PathBuf> {
    let (root, built) = (crate::root(), archive::folder());
    let dist = crate::target().join(format!("dist/drift-rt-{VERSION}-{}", triple()?));
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    for folder in ["include", "lib/pkgconfig", "lib/cmake/drift-rt"] {
        fs::create_dir_all(dist.join(folder))?;
    }
    for (from, to) in [
        (built.join("libdrift_rt.a"), "lib/libdrift_rt.a"),
        (built.join("libdrift_rt.so"), "lib/libdrift_rt.so"),
        (root.join("ffi/include/drift.h"), "include/drift.h"),
        (root.join("LICENSE-MIT"), "LICENSE-MIT"),
        (root.join("LICENSE-APACHE"), "LICENSE-APACHE"),
    ] {
        fs::copy(&from, dist.join(to)).with_context(|| from.display().to_string())?;
    }
    for (name, libs) in [
        ("drift-rt", "-L${libdir} -ldrift_rt -pthread"),
        ("drift-rt-static", "${libdir}/libdrift_rt.a -pthread"),
    ] {
        fs::write(dist.join("lib/pkgconfig").join(name).with_extension("pc"), pc(name, libs))?;
    }
    let cmake = dist.join("lib/cmake/drift-rt");
    fs::write(cmake.join("drift-rt-config.cmake"), CMAKE)?;
    fs::write(cmake.join("drift-rt-config-version.cmake"), cmake_version())?;
    Ok(dist)
}

/// The prefix follows the file; see pkg-config(1), `pcfiledir`.
fn pc(name: &str, libs: &str) -> String {
    format!(
        "prefix=${{pcfiledir}}/../..\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\
         \n\
         Name: {name}\n\
         Description: The runtime under virtual threads\n\
         Version: {VERSION}\n\
         Cflags: -I${{includedir}}\n\
         Libs: {libs}\n"
    )
}

const CMAKE: &str = r#"# Imported targets: drift::drift_rt_static and drift::drift_rt_shared.
include(CMakeFindDependencyMacro)
find_dependency(Threads)

get_filename_component(_drift_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

function(_drift_import name type file)
  if(NOT TARGET drift::${name})
    add_library(drift::${name} ${type} IMPORTED)
    set_target_properties(drift::${name} PROPERTIES
      IMPORTED_LOCATION "${_drift_prefix}/lib/${file}"
      INTERFACE_INCLUDE_DIRECTORIES "${_drift_prefix}/include"
      INTERFACE_LINK_LIBRARIES Threads::Threads)
  endif()
endfunction()

_drift_import(drift_rt_static STATIC libdrift_rt.a)
_drift_import(drift_rt_shared SHARED libdrift_rt.so)
if(TARGET drift::drift_rt_shared)
  set_target_properties(drift::drift_rt_shared PROPERTIES IMPORTED_NO_SONAME TRUE)
endif()
unset(_drift_prefix)
"#;

/// Versions before 1.0 promise only their minor number, as cargo has it; and an archive for one
/// width of pointers is of no use to another.
fn cmake_version() -> String {
    let minor = VERSION.rsplit_once('.').map_or(VERSION, |(minor, _)| minor);
    let minor = minor.replace('.', "\\\\.");
    format!(
        r#"set(PACKAGE_VERSION "{VERSION}")
if(PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
elseif(PACKAGE_FIND_VERSION AND NOT PACKAGE_FIND_VERSION MATCHES "^{minor}(\\.|$)")
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION STREQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
if(CMAKE_SIZEOF_VOID_P AND NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(PACKAGE_VERSION "${{PACKAGE_VERSION}} (64 bit)")
  set(PACKAGE_VERSION_UNSUITABLE TRUE)
endif()
"#
    )
}

/// Compiles hello.c by hand, with pkg-config and with CMake where they are, static and shared, in
/// a copy of the folder that lies elsewhere.
fn prove(steps: &mut Steps, dist: &Path) -> Result<()> {
    let build = crate::target().join("dist/proof");
    if build.exists() {
        fs::remove_dir_all(&build)?;
    }
    fs::create_dir_all(&build)?;
    let hello = crate::root().join("examples/c/hello.c");
    let lists = format!(
        "cmake_minimum_required(VERSION 3.16)\nproject(proof C)\n\
         find_package(drift-rt {VERSION} REQUIRED)\n\
         foreach(kind static shared)\n  \
           add_executable(hello_${{kind}} hello.c)\n  \
           target_link_libraries(hello_${{kind}} drift::drift_rt_${{kind}})\n\
         endforeach()\n"
    );
    fs::write(build.join("CMakeLists.txt"), lists)?;
    fs::copy(&hello, build.join("hello.c"))?;
    let said = |program: &str| format!("./{program} >said; cat said; grep -q {HELLO} said");
    let mut shell = |name: &str, script: &str| {
        let mut shell = command("sh", &["-ec", script]);
        shell.current_dir(&build).env("LD_LIBRARY_PATH", "moved/lib");
        shell.env("PKG_CONFIG_PATH", "moved/lib/pkgconfig");
        steps.run(name, &mut shell)
    };
    shell("move", &format!("cp -r '{}' moved", dist.display()))?;
    let by_hand = "cc -I moved/include hello.c moved/lib/libdrift_rt.a -pthread -o by_hand";
    shell("by hand", &format!("{by_hand}; {}", said("by_hand")))?;
    let mut tried = 1;
    if exists("pkg-config") {
        tried += 1;
        for package in ["drift-rt", "drift-rt-static"] {
            let flags = format!("$(pkg-config --cflags --libs {package})");
            let script = format!("cc hello.c {flags} -o by_{package}; ");
            shell(package, &(script + &said(&format!("by_{package}"))))?;
        }
    }
    if exists("cmake") {
        tried += 1;
        let make = "cmake -S . -B cmake -DCMAKE_PREFIX_PATH=\"$PWD/moved\"; cmake --build cmake";
        let run = [said("cmake/hello_static"), said("cmake/hello_shared")].join("; ");
        shell("cmake", &format!("{make}; {run}"))?;
    }
    println!(
        "\ndist: {tried} of 3 ways tried: by hand, pkg-config, cmake (what is installed here)"
    );
    Ok(())
}
