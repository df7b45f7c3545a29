//! The package's sizes, raw and compressed, against their budgets.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

/// All that a browser loads for one entry point.
pub(crate) struct EntryPoint {
    name: String,
    gzip_budget: usize,
    files: Vec<(String, Size)>,
}

/// Bytes of one file or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    raw: usize,
    gzip: usize,
    brotli: usize,
}

impl EntryPoint {
    /// The budget is for the gzip size.
    pub(crate) fn new(name: &str, gzip_budget_kib: usize) -> Self {
        Self {
            name: name.to_owned(),
            gzip_budget: gzip_budget_kib * 1024,
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

/// One line for each file, one for each entry point, with what is left of its budget.
pub(crate) fn table(points: &[EntryPoint]) -> String {
    let mut text = format!(
        "{:<24}{:>10}{:>10}{:>10}\n",
        "bytes", "raw", "gzip -9", "brotli 11"
    );
    for point in points {
        for (path, size) in &point.files {
            line(&mut text, &format!("  {path}"), *size, "");
        }
        let sum = point.size();
        line(
            &mut text,
            &point.name,
            sum,
            &verdict(sum.gzip, point.gzip_budget),
        );
    }
    text
}

/// The sums of the entry points for other programs to read, in bytes.
pub(crate) fn json(points: &[EntryPoint]) -> Value {
    let mut all = Map::new();
    for point in points {
        let Size { raw, gzip, brotli } = point.size();
        let sizes =
            json!({ "raw": raw, "gzip": gzip, "brotli": brotli, "gzipBudget": point.gzip_budget });
        all.insert(point.name.clone(), sizes);
    }
    Value::Object(all)
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

    #[test]
    fn an_entry_point_is_the_sum_of_its_files() {
        let mut point = EntryPoint::new("page", 90);
        point.add("a.js", b"export {};").unwrap();
        point.add("b.js", b"export {};").unwrap();
        assert_eq!(json(std::slice::from_ref(&point))["page"]["raw"], 20);
        let table = table(&[point]);
        let last = table.lines().last().unwrap();
        assert!(last.starts_with("page") && last.contains(" 20 "), "{table}");
    }
}
