//! Columns of a line, lines of a file and of a function.

use syn::spanned::Spanned;
use syn::visit::Visit;

use super::{Complaints, Source};

const COLUMNS: usize = 100;
const LINES: usize = 500;
const FUNCTION: usize = 70;

/// Files that may be longer and wider, and why.
const LONG: [(&str, &str); 1] = [("ffi/include/drift.h", "made from ffi/src")];

/// Of a file, and of each of its lines.
pub(super) fn lines(source: &Source, complaints: &mut Complaints) {
    let lines = source.text.lines().count();
    if LONG.iter().any(|(name, _)| *name == source.name) {
        return;
    }
    if lines > LINES {
        complaints.add(source, lines, format!("the file has {lines} lines, of {LINES}"));
    }
    for (number, line) in source.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS {
            complaints.add(source, number + 1, format!("{columns} columns, of {COLUMNS}"));
        }
    }
}

/// Of every Rust function, from its signature to its end.
pub(super) fn functions(source: &Source, file: &syn::File, complaints: &mut Complaints) {
    Functions { source, complaints }.visit_file(file);
}

struct Functions<'a> {
    source: &'a Source,
    complaints: &'a mut Complaints,
}

impl Functions<'_> {
    fn see(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (start, end) = (signature.span().start().line, block.span().end().line);
        too_long(self.source, &signature.ident.to_string(), start, end, self.complaints);
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.see(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.see(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.see(&function.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}

/// Of every C function: from a line that begins in the first column and opens a list of
/// parameters, to the `}` in the first column. A `;` before any `{` ends a declaration.
pub(super) fn c_functions(source: &Source, complaints: &mut Complaints) {
    let mut function: Option<(usize, &str)> = None;
    let mut open = false;
    for (number, line) in (1..).zip(source.text.lines()) {
        let outside = line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if let (true, Some((head, _))) = (outside, line.split_once('(')) {
            let name = head.rsplit([' ', '*']).next().unwrap_or(head);
            (function, open) = (Some((number, name)), false);
        }
        open |= line.contains('{');
        if !open && line.ends_with(';') {
            function = None;
        }
        if line.starts_with('}')
            && let Some((start, name)) = function.take()
        {
            too_long(source, name, start, number, complaints);
        }
    }
}

fn too_long(source: &Source, name: &str, start: usize, end: usize, complaints: &mut Complaints) {
    let lines = end - start + 1;
    if lines > FUNCTION {
        complaints.add(source, start, format!("`{name}` has {lines} lines, of {FUNCTION}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;

    fn rust(lines: usize) -> usize {
        let text = format!("trait T {{\nfn f() {{\n{}}}\n}}\n", "g();\n".repeat(lines - 2));
        let mut complaints = Complaints::default();
        functions(&source("a.rs", &text), &syn::parse_file(&text).unwrap(), &mut complaints);
        complaints.0.len()
    }

    fn c(lines: usize) -> usize {
        let body = "    g();\n".repeat(lines - 3);
        let text = format!("int h(int a,\n      int b);\n\nstatic int f(int a)\n{{\n{body}}}\n");
        let mut complaints = Complaints::default();
        c_functions(&source("a.c", &text), &mut complaints);
        complaints.0.len()
    }

    #[test]
    fn a_function_of_70_lines_passes_and_one_of_71_does_not() {
        assert_eq!((rust(70), rust(71)), (0, 1));
        assert_eq!((c(70), c(71)), (0, 1));
    }

    #[test]
    fn a_line_of_100_columns_and_a_file_of_500_lines_pass() {
        for (columns, count, expected) in [(100, 500, 0), (101, 1, 1), (1, 501, 1)] {
            let text = format!("{}\n", "é".repeat(columns)).repeat(count);
            let mut complaints = Complaints::default();
            lines(&source("a.rs", &text), &mut complaints);
            assert_eq!(complaints.0.len(), expected);
        }
    }
}
