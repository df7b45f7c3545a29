//! The package's sizes, raw and compressed, and the budget of a first visit.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use anyhow::{Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

/// What a browser loads: for each entry point, and at a first visit.
pub(crate) struct Sizes {
    pub(crate) entries: Vec<Loaded>,
    pub(crate) first_visit: Loaded,
    /// What that may weigh compressed by gzip.
    pub(crate) budget_kib: usize,
}

/// Files that a browser loads together.
pub(crate) struct Loaded {
    name: String,
    files: Vec<(String, Size)>,
}

/// Bytes of one file or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    raw: usize,
    gzip: usize,
    brotli: usize,
}

impl Loaded {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            files: Vec::new(),
        }
    }

    /// Counts a file in; each is compressed by itself, as it is sent.
    pub(crate) fn add(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.files.push((path.to_owned(), measure(bytes)?));
        Ok(())
    }

    fn size(&self) -> Size {
        let mut sum = Size::default();
        for (_, size) in &self.files {
            sum.raw += size.raw;
            sum.gzip += size.gzip;
            sum.brotli += size.brotli;
        }
        sum
    }
}

impl Sizes {
    /// One line for each file, one for each entry point, and one for the first visit, with what is left of its budget.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:<24}{:>10}{:>10}{:>10}\n",
            "bytes", "raw", "gzip -9", "brotli 11"
        );
        for entry in &self.entries {
            for (path, size) in &entry.files {
                line(&mut text, &format!("  {path}"), *size, "");
            }
            line(&mut text, &entry.name, entry.size(), "");
        }
        let sum = self.first_visit.size();
        let verdict = verdict(sum.gzip, self.budget());
        line(&mut text, &self.first_visit.name, sum, &verdict);
        let files: Vec<&str> = self
            .first_visit
            .files
            .iter()
            .map(|(path, _)| path.as_str())
            .collect();
        writeln!(text, "  ({})", files.join(", ")).expect("a string takes all");
        text
    }

    /// The sums for other programs to read, in bytes.
    pub(crate) fn json(&self) -> Value {
        let mut all: Map<String, Value> = self
            .entries
            .iter()
            .map(|entry| (entry.name.clone(), entry.size().json()))
            .collect();
        let mut first = self.first_visit.size().json();
        first["gzipBudget"] = self.budget().into();
        all.insert(self.first_visit.name.clone(), first);
        Value::Object(all)
    }

    /// Fails where a first visit weighs more than it may.
    pub(crate) fn check(&self) -> Result<()> {
        let gzip = self.first_visit.size().gzip;
        if gzip <= self.budget() {
            return Ok(());
        }
        bail!(
            "a first visit loads {gzip} bytes, {} more than its budget of {} KiB: make the package smaller again, or raise FIRST_VISIT_BUDGET_KIB in xtask/src/dist.rs and write into docs/adr/0030-size.md what it buys.",
            gzip - self.budget(),
            self.budget_kib
        );
    }

    fn budget(&self) -> usize {
        self.budget_kib * 1024
    }
}

impl Size {
    fn json(self) -> Value {
        let Self { raw, gzip, brotli } = self;
        json!({ "raw": raw, "gzip": gzip, "brotli": brotli })
    }
}

fn line(text: &mut String, name: &str, size: Size, note: &str) {
    let Size { raw, gzip, brotli } = size;
    let whole = format!("{name:<24}{raw:>10}{gzip:>10}{brotli:>10}  {note}");
    writeln!(text, "{}", whole.trim_end()).expect("a string takes all");
}

fn verdict(gzip: usize, budget: usize) -> String {
    let kib = budget / 1024;
    if gzip <= budget {
        format!("within {kib} KiB gzip ({} bytes left)", budget - gzip)
    } else {
        format!("OVER {kib} KiB gzip by {} bytes", gzip - budget)
    }
}

fn measure(bytes: &[u8]) -> Result<Size> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    let mut brotli = Vec::new();
    brotli::CompressorReader::new(bytes, 64 * 1024, 11, 22).read_to_end(&mut brotli)?;
    Ok(Size {
        raw: bytes.len(),
        gzip: gzip.finish()?.len(),
        brotli: brotli.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_sizes_are_those_of_real_streams() {
        let bytes = "a state machine ".repeat(1000).into_bytes();
        let size = measure(&bytes).unwrap();
        assert_eq!(size.raw, 16_000);
        assert!(size.brotli < size.gzip && size.gzip < 200, "{size:?}");
    }

    #[test]
    fn the_verdict_changes_at_the_budget() {
        assert_eq!(verdict(1024, 1024), "within 1 KiB gzip (0 bytes left)");
        assert_eq!(verdict(1025, 1024), "OVER 1 KiB gzip by 1 bytes");
    }

    fn sizes(budget_kib: usize) -> Sizes {
        let mut page = Loaded::new("page");
        page.add("a.js", b"export {};").unwrap();
        page.add("b.js", b"export {};").unwrap();
        let mut first_visit = Loaded::new("first visit");
        first_visit.add("a.js", b"export {};").unwrap();
        Sizes {
            entries: vec![page],
            first_visit,
            budget_kib,
        }
    }

    #[test]
    fn an_entry_point_is_the_sum_of_its_files() {
        let sizes = sizes(1);
        let json = sizes.json();
        assert_eq!(json["page"]["raw"], 20);
        assert_eq!(json["first visit"]["raw"], 10);
        assert_eq!(json["first visit"]["gzipBudget"], 1024);
        let table = sizes.table();
        let page = table.lines().find(|line| line.starts_with("page"));
        assert!(page.unwrap().contains(" 20 "), "{table}");
        let visit = table.lines().find(|line| line.starts_with("first visit"));
        assert!(visit.unwrap().contains("within 1 KiB"), "{table}");
    }

    #[test]
    fn a_first_visit_above_its_budget_fails_the_build_and_says_what_to_do() {
        sizes(1).check().unwrap();
        let said = sizes(0).check().unwrap_err().to_string();
        for named in ["FIRST_VISIT_BUDGET_KIB", "0030-size.md", "smaller"] {
            assert!(said.contains(named), "{said}");
        }
    }
}
