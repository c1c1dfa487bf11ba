//! `ffi/include/drift.h`, made by cbindgen from `ffi/src`.
//!
//! cbindgen turns the items into C; then each family gets its heading from the first line of its
//! file, and the documented prototype (`C: ...`) is compared with the one made and left out, since
//! it follows at once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};

/// The families, in the order of the header.
const FAMILIES: [&str; 7] = ["thread", "exec", "reactor", "time", "testing", "sync", "channel"];

#[derive(clap::Args)]
pub struct HeaderArguments {
    /// Fails, and shows the difference, if the committed header is not what would be written.
    #[arg(long)]
    check: bool,
}

/// Writes the header, or checks it.
///
/// # Errors
/// When cbindgen refuses a source, or the header differs.
pub fn run(arguments: &HeaderArguments) -> Result<()> {
    if arguments.check {
        return check();
    }
    let root = crate::root();
    fs::write(root.join("ffi/include/drift.h"), make(&root.join("ffi"))?)?;
    println!("header: wrote ffi/include/drift.h");
    Ok(())
}

/// Compares the committed header with what would be written.
///
/// # Errors
/// The difference.
pub fn check() -> Result<()> {
    let root = crate::root();
    let made = make(&root.join("ffi"))?;
    let path = root.join("ffi/include/drift.h");
    let committed = fs::read_to_string(&path).context("ffi/include/drift.h")?;
    if committed != made {
        for line in difference(&committed, &made) {
            println!("{line}");
        }
        bail!("ffi/include/drift.h differs from ffi/src: run `cargo xtask header`");
    }
    println!("header: ffi/include/drift.h is what ffi/src says");
    Ok(())
}

fn make(ffi: &Path) -> Result<String> {
    let mut config = cbindgen::Config::from_file(ffi.join("cbindgen.toml"))
        .map_err(|error| anyhow!("ffi/cbindgen.toml: {error}"))?;
    let root = read(ffi, "lib")?;
    config.after_includes = Some(constants(&root)?.trim_end().to_owned());
    let mut builder = cbindgen::Builder::new().with_config(config);
    // Not `lib.rs`: cbindgen would follow its modules, and come upon each family twice.
    for family in FAMILIES {
        builder = builder.with_src(ffi.join("src").join(family).with_extension("rs"));
    }
    let mut header = Vec::new();
    builder.generate().context("cbindgen refuses ffi/src")?.write(&mut header);
    let mut header = plain(&String::from_utf8(header)?)?;
    for family in FAMILIES {
        header = headed(&header, &read(ffi, family)?, family)?;
    }
    Ok(header)
}

fn read(ffi: &Path, file: &str) -> Result<String> {
    let path = ffi.join("src").join(file).with_extension("rs");
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The constants of the crate root, as C.
fn constants(root: &str) -> Result<String> {
    let mut text = String::new();
    for item in syn::parse_file(root)?.items {
        let syn::Item::Const(item) = item else { continue };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(value), .. }) = *item.expr else {
            bail!("`{}` in ffi/src/lib.rs is not a number", item.ident);
        };
        let documents = item.attrs.iter().filter_map(document);
        let document: String = documents.map(|line| format!("\n *{line}")).collect();
        let value = value.base10_digits();
        text += &format!("\n/**{document}\n */\n#define {} {value}\n", item.ident);
    }
    Ok(text)
}

fn document(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(meta) = &attribute.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &meta.value else {
        return None;
    };
    meta.path.is_ident("doc").then(|| text.value())
}

/// Without what only Rust's readers need; fails if a documented prototype is not the one made.
fn plain(header: &str) -> Result<String> {
    let mut kept: Vec<&str> = Vec::new();
    let mut documented = None;
    let mut lines = header.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with(" * C: `") {
            let mut prototype = line[" * C: ".len()..].to_owned();
            while !prototype.ends_with('`') {
                let next = lines.next().and_then(|line| line.strip_prefix(" * "));
                prototype += " ";
                prototype += next.with_context(|| format!("no end of {prototype}"))?;
            }
            documented = Some(prototype.trim_matches('`').to_owned());
            if kept.last() == Some(&" *") {
                kept.pop();
            }
            continue;
        }
        if line == " * # Safety" {
            continue;
        }
        kept.push(line);
        if line != " */" {
            continue;
        }
        let Some(documented) = documented.take() else { continue };
        let mut made = String::new();
        while !made.ends_with(';') {
            let line = lines.next().context("a function after its comment")?;
            made = format!("{made} {}", line.trim());
            kept.push(line);
        }
        let made = made.trim().replace("struct ", "").replace("( ", "(");
        ensure!(made == documented, "documented is `{documented}`, but it is `{made}`");
    }
    Ok(kept.join("\n") + "\n")
}

/// With the heading of a family before its first function.
fn headed(header: &str, source: &str, family: &str) -> Result<String> {
    let heading = source.lines().next().and_then(|line| line.strip_prefix("//! "));
    let heading = heading.with_context(|| format!("ffi/src/{family}.rs has no first line"))?;
    let functions = syn::parse_file(source)?.items.into_iter().filter_map(|item| match item {
        syn::Item::Fn(function) if function.sig.abi.is_some() => Some(function.sig.ident),
        _ => None,
    });
    let first = functions.map(|name| format!("{name}(")).find(|name| header.contains(name));
    let first = first.with_context(|| format!("ffi/src/{family}.rs has no function in C"))?;
    let function = header.find(&format!(" {first}")).context("just found")?;
    let comment = header[..function].rfind("/**").context("every function is documented")?;
    let (before, after) = header.split_at(comment);
    Ok(format!("{before}/* {heading} */\n\n{after}"))
}

/// The lines that differ between the first and the last that do.
fn difference(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let head = old.iter().zip(&new).take_while(same).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(same).count();
    let removed = old[head..old.len() - tail].iter().map(|line| format!("-{line}"));
    let added = new[head..new.len() - tail].iter().map(|line| format!("+{line}"));
    let place = format!("@@ line {} @@", head + 1);
    [place].into_iter().chain(removed).chain(added).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: &str = "/**\n * Adds.\n *\n * C: `int64_t add(int64_t a,\n * const Pair *b);`\n \
                        *\n * # Safety\n * `b` lives.\n */\nint64_t add(int64_t a,\n            \
                        const struct Pair *b);\n";

    #[test]
    fn the_documented_prototype_is_checked_and_left_out() {
        let plain = plain(MADE).unwrap();
        assert!(
            plain.starts_with("/**\n * Adds.\n *\n * `b` lives.\n */\nint64_t add("),
            "{plain}"
        );
        let error = super::plain(&MADE.replace("a,\n * const", "a, const")).map(|_| ());
        assert!(error.is_ok());
        let error = super::plain(&MADE.replace("`int64_t add", "`void add")).unwrap_err();
        assert!(error.to_string().contains("documented is `void add"), "{error}");
    }

    #[test]
    fn a_difference_is_shown_without_what_is_the_same() {
        assert_eq!(difference("a\nb\nc", "a\nx\nc"), ["@@ line 2 @@", "-b", "+x"]);
    }

    #[test]
    fn the_header_comes_out_the_same_each_time() {
        let ffi = crate::root().join("ffi");
        assert_eq!(make(&ffi).unwrap(), make(&ffi).unwrap());
    }
}
