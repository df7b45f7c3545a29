//! What a request asks the server to do wrong.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::socket::Ending;

/// The table of `faults.md`, the one place where the parameters are described.
const TABLE: &str = include_str!("faults.md");

/// A row of the table of faults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The parameter's name.
    pub parameter: &'static str,
    /// What values it takes.
    pub value: &'static str,
    /// What the server does.
    pub effect: &'static str,
}

/// All faults, in the order of the table.
#[must_use]
pub fn table() -> Vec<Row> {
    let cells = |line: &'static str| -> Option<Row> {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        Some(Row {
            parameter: cells.next()?.trim_matches('`'),
            value: cells.next()?,
            effect: cells.next()?,
        })
    };
    TABLE.lines().skip(2).filter_map(cells).collect()
}

/// A file that becomes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) after: u64,
    /// Which requests count.
    pub(crate) of: Counted,
    pub(crate) size: Option<u64>,
}

/// The requests that bring a change nearer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Counted {
    #[default]
    All,
    /// Those for more than one byte.
    Parts,
}

/// Why HEAD is not answered as GET is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoHead {
    NotAllowed,
    Forbidden,
    Cors,
}

/// What HEAD says of a file's length where it says that of a compressed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GzipHead {
    Length,
    Chunked,
}

/// Whom the CORS headers allow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Cors {
    #[default]
    Everybody,
    /// Nobody: there are none.
    Off,
    /// The request's `Origin`.
    Echo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gzip {
    Whole,
    Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrongLength {
    Shorter,
    Longer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrongRange {
    Off,
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrongTotal {
    Off,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redirect {
    Same,
    Cross,
    Third,
}

/// A place in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// An offset in the file.
    File(u64),
    /// An offset in the body of any answer.
    Body(u64),
}

impl Place {
    /// The offset in the file, if this body comes by it.
    pub(crate) fn within(self, body: &Range<u64>) -> Option<u64> {
        let at = match self {
            Place::File(at) => at,
            Place::Body(at) => body.start.saturating_add(at),
        };
        body.contains(&at).then_some(at)
    }
}

/// The faults that `times`, `skip` and `at` govern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) html: bool,
    pub(crate) empty: bool,
    pub(crate) drop: Option<Ending>,
    pub(crate) corrupt: Option<u64>,
    pub(crate) wrong_length: Option<WrongLength>,
    pub(crate) extra: u64,
    pub(crate) wrong_range: Option<WrongRange>,
    pub(crate) wrong_total: Option<WrongTotal>,
}

/// Everything a query asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a parameter of its own"
)]
pub(crate) struct Faults {
    pub(crate) answer: Answer,
    pub(crate) times: Option<u64>,
    pub(crate) skip: u64,
    pub(crate) at: Option<u64>,
    pub(crate) rate: Option<u64>,
    pub(crate) rate_total: Option<u64>,
    pub(crate) delay: Duration,
    pub(crate) cut: Option<Place>,
    pub(crate) cut_by: Ending,
    pub(crate) cut_times: Option<u64>,
    pub(crate) stall: Option<Place>,
    pub(crate) stall_for: Option<Duration>,
    pub(crate) stall_times: Option<u64>,
    pub(crate) no_range: bool,
    pub(crate) no_head: Option<NoHead>,
    pub(crate) gzip_head: Option<GzipHead>,
    pub(crate) no_preflight: bool,
    pub(crate) no_length: bool,
    pub(crate) gzip: Option<Gzip>,
    pub(crate) no_etag: bool,
    pub(crate) no_last_modified: bool,
    pub(crate) weak: bool,
    pub(crate) etag: Option<String>,
    pub(crate) ignore_if_match: bool,
    pub(crate) change_after: Option<(Counted, u64)>,
    pub(crate) change_size: Option<u64>,
    pub(crate) redirect: Option<Redirect>,
    pub(crate) auth: Option<String>,
    pub(crate) auth_sha256: Option<String>,
    pub(crate) cors: Cors,
    /// None where the usual ones are.
    pub(crate) expose: Option<String>,
}

/// A fault's parameter with a value that it does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadValue {
    parameter: String,
    value: String,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, value } = self;
        let row = table().into_iter().find(|row| row.parameter == parameter);
        let takes = row.map_or("something else", |row| row.value);
        write!(
            f,
            "The fault `{parameter}` takes {takes}, not `{value}`. GET /api/faults lists all faults."
        )
    }
}

impl std::error::Error for BadValue {}

impl Faults {
    /// Reads the parameters. Those that are no faults are left alone: tests use them to tell addresses apart.
    pub(crate) fn parse(query: &[(String, String)]) -> Result<Self, BadValue> {
        let mut faults = Faults::default();
        for (parameter, value) in query {
            faults.set(parameter, value).ok_or_else(|| BadValue {
                parameter: parameter.clone(),
                value: value.clone(),
            })?;
        }
        Ok(faults)
    }

    fn set(&mut self, parameter: &str, value: &str) -> Option<()> {
        let answer = &mut self.answer;
        let millis = || number(value).map(Duration::from_millis);
        match parameter {
            "rate" => self.rate = Some(number(value).filter(|rate| *rate > 0)?),
            "rateTotal" => self.rate_total = Some(number(value).filter(|rate| *rate > 0)?),
            "delayMs" => self.delay = millis()?,
            "status" => {
                answer.status = Some(number(value).filter(|code| (200..600).contains(code))?);
            }
            "retryAfter" => answer.retry_after = Some(number(value)?),
            "html" => answer.html = yes(value)?,
            "empty" => answer.empty = yes(value)?,
            "drop" => answer.drop = Some(ending(value)?),
            "corrupt" => answer.corrupt = Some(number(value)?),
            "wrongLength" => {
                let (shorter, longer) = (WrongLength::Shorter, WrongLength::Longer);
                answer.wrong_length =
                    Some(one_of(value, ("shorter", shorter), ("longer", longer))?);
            }
            "extra" => answer.extra = number(value)?,
            "wrongRange" => {
                let (off, missing) = (WrongRange::Off, WrongRange::Missing);
                answer.wrong_range = Some(one_of(value, ("1", off), ("missing", missing))?);
            }
            "wrongTotal" => {
                let (off, unknown) = (WrongTotal::Off, WrongTotal::Unknown);
                answer.wrong_total = Some(one_of(value, ("1", off), ("unknown", unknown))?);
            }
            "times" => self.times = Some(number(value)?),
            "skip" => self.skip = number(value)?,
            "at" => self.at = Some(number(value)?),
            "cut" => self.cut = Some(Place::File(number(value)?)),
            "cutAfter" => self.cut = Some(Place::Body(number(value)?)),
            "cutBy" => self.cut_by = ending(value)?,
            "cutTimes" => self.cut_times = Some(number(value)?),
            "stall" => self.stall = Some(Place::File(number(value)?)),
            "stallAfter" => self.stall = Some(Place::Body(number(value)?)),
            "stallMs" => self.stall_for = Some(millis()?),
            "stallTimes" => self.stall_times = Some(number(value)?),
            "noRange" => self.no_range = yes(value)?,
            "noHead" => {
                self.no_head = Some(match value {
                    "1" => NoHead::NotAllowed,
                    "403" => NoHead::Forbidden,
                    "cors" => NoHead::Cors,
                    _ => return None,
                });
            }
            "gzipHead" => {
                let (length, chunked) = (GzipHead::Length, GzipHead::Chunked);
                self.gzip_head = Some(one_of(value, ("1", length), ("chunked", chunked))?);
            }
            "noPreflight" => self.no_preflight = yes(value)?,
            "noLength" => self.no_length = yes(value)?,
            "gzip" => self.gzip = Some(one_of(value, ("1", Gzip::Whole), ("part", Gzip::Part))?),
            "noEtag" => self.no_etag = yes(value)?,
            "noLastModified" => self.no_last_modified = yes(value)?,
            "noValidator" => {
                self.no_etag = yes(value)?;
                self.no_last_modified = true;
            }
            "weak" => self.weak = yes(value)?,
            "etag" => self.etag = Some(tag(value)?),
            "ignoreIfMatch" => self.ignore_if_match = yes(value)?,
            "changeAfter" => self.change_after = Some((Counted::All, number(value)?)),
            "changeAfterParts" => self.change_after = Some((Counted::Parts, number(value)?)),
            "changeSize" => self.change_size = Some(number(value)?),
            "redirect" => {
                self.redirect = Some(match value {
                    "same" => Redirect::Same,
                    "cross" => Redirect::Cross,
                    "third" => Redirect::Third,
                    _ => return None,
                });
            }
            "auth" => self.auth = Some(value.to_owned()),
            "authSha256" => self.auth_sha256 = Some(digest(value)?),
            "cors" => self.cors = one_of(value, ("off", Cors::Off), ("echo", Cors::Echo))?,
            "hideHeaders" => {
                yes(value)?;
                self.expose = Some(String::new());
            }
            "expose" => self.expose = Some(names(value)?),
            _ => {}
        }
        Some(())
    }

    /// How the file changes, if it does.
    pub(crate) fn change(&self) -> Option<Change> {
        let (of, after) = self.change_after?;
        let size = self.change_size;
        Some(Change { after, of, size })
    }
}

fn number<T: FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

fn yes(value: &str) -> Option<bool> {
    (value == "1").then_some(true)
}

fn one_of<T>(value: &str, a: (&str, T), b: (&str, T)) -> Option<T> {
    match value {
        _ if value == a.0 => Some(a.1),
        _ if value == b.0 => Some(b.1),
        _ => None,
    }
}

fn ending(value: &str) -> Option<Ending> {
    one_of(value, ("fin", Ending::Fin), ("rst", Ending::Rst))
}

fn digest(value: &str) -> Option<String> {
    let legal = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    legal.then(|| value.to_ascii_lowercase())
}

fn names(value: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-*, ".contains(c);
    (!value.is_empty() && value.chars().all(legal)).then(|| value.to_owned())
}

fn tag(value: &str) -> Option<String> {
    let legal = value.chars().all(|c| c.is_ascii_graphic());
    let quoted = value.starts_with('"') || value.starts_with("W/\"");
    let tag = if quoted {
        value.to_owned()
    } else {
        format!("\"{value}\"")
    };
    legal.then_some(tag)
}

/// What is remembered between requests, kept apart by path and query (see [`key_of`]): a parameter of a test's own (`run=…`)
/// gives it counters of its own.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<HashMap<String, Counts>>);

#[derive(Debug, Default)]
struct Counts {
    requests: u64,
    parts: u64,
    redirects: u64,
    concerned: u64,
    cuts: u64,
    stalls: u64,
    paid_until: Option<Instant>,
}

impl Counters {
    /// Counts a request, which may be one for a part; whether the file has changed for it.
    pub(crate) fn has_changed(&self, key: &str, change: Change, part: bool) -> bool {
        self.with(key, |counts| {
            counts.requests += 1;
            counts.parts += u64::from(part);
            match change.of {
                Counted::All => counts.requests > change.after,
                Counted::Parts if part => counts.parts > change.after,
                // A probe sees what the next part will be of.
                Counted::Parts => counts.parts >= change.after,
            }
        })
    }

    /// A signature for a redirect, another one each time.
    pub(crate) fn signature(&self, key: &str) -> u64 {
        self.with(key, |counts| {
            counts.redirects += 1;
            counts.redirects
        })
    }

    /// Counts a request that the faults of an answer concern; whether they strike.
    pub(crate) fn strikes(&self, key: &str, faults: &Faults) -> bool {
        self.with(key, |counts| {
            counts.concerned += 1;
            let n = counts.concerned.saturating_sub(faults.skip);
            n >= 1 && faults.times.is_none_or(|times| n <= times)
        })
    }

    pub(crate) fn may_cut(&self, key: &str, times: Option<u64>) -> bool {
        self.with(key, |counts| take(&mut counts.cuts, times))
    }

    pub(crate) fn may_stall(&self, key: &str, times: Option<u64>) -> bool {
        self.with(key, |counts| take(&mut counts.stalls, times))
    }

    /// Books bytes on the rate that all answers share; when they may leave.
    pub(crate) fn book(&self, key: &str, bytes: u64, rate: u64) -> Instant {
        self.with(key, |counts| {
            let now = Instant::now();
            let from = counts.paid_until.unwrap_or(now).max(now);
            counts.paid_until = Some(from + crate::body::time_of(bytes, rate));
            from
        })
    }

    fn with<T>(&self, key: &str, use_: impl FnOnce(&mut Counts) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        use_(all.entry(key.to_owned()).or_default())
    }
}

/// What counters are kept by: a request's path and query without the signature that a redirect gives it.
pub(crate) fn key_of(path: &str, query: &str) -> String {
    let signed = |pair: &&str| !pair.starts_with("X-Amz-");
    let rest: Vec<_> = query.split('&').filter(signed).collect();
    format!("{path}?{}", rest.join("&"))
}

fn take(count: &mut u64, times: Option<u64>) -> bool {
    let left = times.is_none_or(|times| *count < times);
    *count += u64::from(left);
    left
}

#[cfg(test)]
mod tests {
    use super::{Faults, table};

    #[test]
    fn every_row_of_the_table_is_a_parameter_that_is_read() {
        let rows = table();
        assert!(rows.len() > 35, "{}", rows.len());
        for row in rows {
            // No fault takes an empty value but `auth`, and an unknown parameter would be left alone.
            let query = [(row.parameter.to_owned(), String::from("\u{e9}"))];
            let read = Faults::parse(&query);
            if row.parameter == "auth" {
                assert_eq!(read.unwrap().auth.as_deref(), Some("\u{e9}"));
            } else {
                let error = read.expect_err(row.parameter).to_string();
                assert!(error.contains(row.value), "{error}");
            }
        }
    }

    #[test]
    fn other_parameters_are_left_alone() {
        let query = [("run".to_owned(), "7".to_owned())];
        assert_eq!(Faults::parse(&query), Ok(Faults::default()));
    }
}
