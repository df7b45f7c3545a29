//! Servers that lie, break, and change their files.

use longhaul_core::{ContentRange, HttpResponse, PartRequest, Range, TransferError};

/// How a server misbehaves, until it heals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing answers.
    Unreachable,
    /// Connections break.
    Breaks,
    /// The server answers, but not to this origin.
    Cors,
    /// The device is offline.
    Offline,
    /// An error that passes.
    Busy,
    /// Too many requests, with a time to come back.
    Throttled,
    /// Gone.
    NotFound,
    /// Other credentials are wanted.
    Forbidden,
    /// Answers every range with the whole.
    IgnoresRange,
    /// Bodies end early.
    Truncates,
    /// A page of HTML, with status 200.
    Html,
}

impl Trouble {
    /// Each of them.
    pub const ALL: [Self; 11] = [
        Self::Unreachable,
        Self::Breaks,
        Self::Cors,
        Self::Offline,
        Self::Busy,
        Self::Throttled,
        Self::NotFound,
        Self::Forbidden,
        Self::IgnoresRange,
        Self::Truncates,
        Self::Html,
    ];
}

/// One file on a server.
#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else of a server"
)]
pub struct Served {
    /// Its size in bytes.
    pub size: u64,
    /// Which version its bytes are.
    pub version: u32,
    /// Which version its headers claim to be; a server that splices claims an older one.
    pub claimed: u32,
    /// Whether it sends an entity tag.
    pub tagged: bool,
    /// Whether it honours `Range`.
    pub ranges: bool,
    /// Whether it says how long the file is.
    pub sized: bool,
    /// Whether it is of another origin than the pages: then background records hide their version and range.
    pub cross_origin: bool,
    /// Whether it ever said that a new version is the old one.
    pub spliced: bool,
    /// What is wrong at present.
    pub trouble: Option<Trouble>,
}

impl Served {
    /// The answer to a probe.
    ///
    /// # Errors
    /// Where no answer comes.
    pub fn probe(&self) -> Result<HttpResponse, TransferError> {
        self.broken()?;
        let mut answer = self.head();
        match self.trouble {
            Some(Trouble::Html) => {
                answer.status = 200;
                answer.content_type = Some("text/html".into());
            }
            Some(_) if answer.status != 200 => {}
            Some(Trouble::IgnoresRange) => answer.content_length = Some(self.size),
            _ if self.ranges && self.size > 0 => {
                answer.status = 206;
                answer.content_range = Some(format!("bytes 0-0/{}", self.size));
            }
            _ => answer.content_length = self.sized.then_some(self.size),
        }
        Ok(answer)
    }

    /// The answer to a part's request, with the length of its body.
    ///
    /// # Errors
    /// Where no answer comes.
    pub fn part(&self, request: &PartRequest) -> Result<(HttpResponse, u64), TransferError> {
        self.broken()?;
        let mut answer = self.head();
        if answer.status != 200 {
            return Ok((answer, 9));
        }
        let asked = request
            .range()
            .filter(|_| request.file.part_bytes.is_some());
        let honoured =
            self.ranges && !matches!(self.trouble, Some(Trouble::IgnoresRange | Trouble::Html));
        let Some(asked) = asked.filter(|_| honoured) else {
            answer.content_length = self.sized.then_some(self.size);
            return Ok((answer, self.cut(self.size)));
        };
        if asked.start >= self.size {
            answer.status = 416;
            return Ok((answer, 0));
        }
        let len = asked.len.min(self.size - asked.start);
        let found = Range::new(asked.start, len);
        answer.status = 206;
        answer.content_range = Some(format!(
            "bytes {}-{}/{}",
            found.start,
            found.end() - 1,
            self.size
        ));
        debug_assert!(
            answer
                .content_range
                .as_deref()
                .and_then(ContentRange::parse)
                .is_some()
        );
        Ok((answer, self.cut(len)))
    }

    /// What every answer says, with the status of the present trouble.
    fn head(&self) -> HttpResponse {
        let status = match self.trouble {
            Some(Trouble::Busy) => 503,
            Some(Trouble::Throttled) => 429,
            Some(Trouble::NotFound) => 404,
            Some(Trouble::Forbidden) => 403,
            _ => 200,
        };
        HttpResponse {
            status,
            retry_after_ms: (status == 429).then_some(5_000),
            etag: self.tagged.then(|| format!("\"v{}\"", self.claimed)),
            cross_origin: self.cross_origin,
            ..HttpResponse::default()
        }
    }

    /// What of an answer the record of a background job shows.
    #[must_use]
    pub fn as_record(answer: HttpResponse) -> HttpResponse {
        if !answer.cross_origin {
            return answer;
        }
        HttpResponse {
            etag: None,
            content_range: None,
            retry_after_ms: None,
            ..answer
        }
    }

    fn broken(&self) -> Result<(), TransferError> {
        match self.trouble {
            Some(Trouble::Unreachable) => Err(TransferError::Unreachable),
            Some(Trouble::Breaks) => Err(TransferError::Network),
            Some(Trouble::Cors) => Err(TransferError::Cors),
            Some(Trouble::Offline) => Err(TransferError::Offline),
            _ => Ok(()),
        }
    }

    fn cut(&self, len: u64) -> u64 {
        if self.trouble == Some(Trouble::Truncates) {
            len / 2
        } else {
            len
        }
    }
}
