//! `docs/coverage.md`: the lines that no test reaches, by reason.
//!
//! What counts there are the fenced blocks: a path, then lines of that file, indented, as they
//! stand there. Numbers of lines would change with every edit.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};

use super::lines::Source;

const NAME: &str = "docs/coverage.md";

/// By file: how often each text stands in the list.
#[derive(Default)]
pub struct List(BTreeMap<String, BTreeMap<String, usize>>);

/// What does not fit.
#[derive(Default)]
pub struct Complaints {
    /// Neither reached nor explained: file, number, text.
    unexplained: Vec<(String, usize, String)>,
    /// In the list, and not in its file.
    gone: Vec<(String, String)>,
    /// In the list, and reached this time.
    reached: Vec<(String, String)>,
}

impl List {
    pub fn read() -> Result<Self> {
        let text = fs::read_to_string(crate::root().join(NAME)).context(NAME)?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut list = Self::default();
        let mut file: Option<&str> = None;
        let mut is_inside = false;
        for line in text.lines() {
            if line.starts_with("```") {
                is_inside = !is_inside;
                file = None;
            } else if is_inside && line.starts_with(' ') {
                let Some(file) = file else { bail!("{NAME}: no file above `{line}`") };
                let lines = list.0.entry(file.to_owned()).or_default();
                *lines.entry(line.trim().to_owned()).or_default() += 1;
            } else if is_inside && !line.is_empty() {
                file = Some(line);
            }
        }
        Ok(list)
    }

    /// Every missed line must be in the list, and what is in the list in its file.
    pub fn compare(mut self, sources: &[Source]) -> Complaints {
        let mut complaints = Complaints::default();
        for source in sources {
            let mut listed = self.0.remove(&source.name).unwrap_or_default();
            for &number in &source.missed {
                let text = source.line(number);
                match listed.get_mut(text) {
                    Some(count) if *count > 0 => *count -= 1,
                    _ => {
                        complaints.unexplained.push((source.name.clone(), number, text.to_owned()))
                    }
                }
            }
            for (text, _) in listed.into_iter().filter(|(_, count)| *count > 0) {
                let is_there = source.text.contains(&text);
                let what = if is_there { &mut complaints.reached } else { &mut complaints.gone };
                what.push((source.name.clone(), text));
            }
        }
        let rest = self.0.into_iter();
        let rest = rest.flat_map(|(name, lines)| lines.into_keys().map(move |l| (name.clone(), l)));
        complaints.gone.extend(rest);
        complaints
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, text) in &self.reached {
            writeln!(f, "reached this time, and in {NAME}: {name}: {text}")?;
        }
        for (name, text) in &self.gone {
            writeln!(f, "in {NAME}, and nowhere else: {name}: {text}")?;
        }
        let mut last = "";
        for (name, number, text) in &self.unexplained {
            if name != last {
                writeln!(f, "{name}")?;
                last = name;
            }
            writeln!(f, "{number:5}    {text}")?;
        }
        Ok(())
    }
}

impl Complaints {
    /// # Errors
    /// When a line is neither reached nor explained, or the list speaks of lines that are gone.
    pub fn end(&self) -> Result<()> {
        match (self.unexplained.len(), self.gone.len()) {
            (0, 0) => Ok(()),
            (lines, gone) => {
                bail!("{lines} lines are neither reached nor in {NAME}; {gone} there are gone")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Why\n\n    not this\n```text\na.rs\n    one\n    one\n    two\n```\n";

    fn source(missed: Vec<usize>) -> Source {
        let text = ["one", "one", "two", "three"].map(str::to_owned).to_vec();
        Source { name: "a.rs".to_owned(), text, total: 4, missed }
    }

    #[test]
    fn what_is_listed_may_be_missed_and_nothing_else() {
        let list = || List::parse(TEXT).unwrap();
        assert!(list().compare(&[source(vec![1, 2, 3])]).end().is_ok());
        assert!(list().compare(&[source(vec![1])]).end().is_ok());
        let complaints = list().compare(&[source(vec![4])]);
        assert_eq!(complaints.unexplained, [("a.rs".to_owned(), 4, "three".to_owned())]);
        assert!(complaints.end().is_err());
    }

    #[test]
    fn a_line_that_is_listed_once_is_missed_once() {
        let list = List::parse("```\na.rs\n one\n```").unwrap();
        assert_eq!(list.compare(&[source(vec![1, 2])]).unexplained.len(), 1);
    }

    #[test]
    fn a_list_that_speaks_of_what_is_gone_is_an_error() {
        for text in ["```\na.rs\n  four\n```", "```\nb.rs\n  one\n```"] {
            assert!(List::parse(text).unwrap().compare(&[source(vec![])]).end().is_err());
        }
    }
}
