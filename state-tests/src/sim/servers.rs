//! Servers: one file each, which can change, and many ways to misbehave.

use longhaul_runner::answer::HttpResponse;

use super::bytes::Piece;

/// By what a server tells the versions of its file apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// A strong entity tag.
    Strong,
    /// `Last-Modified` alone.
    Dated,
    /// Nothing.
    None,
}

/// What can be wrong with an answer. Each holds for a number of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The connection is reset before the first byte.
    Refused,
    /// The connection is reset in mid-body.
    Cut,
    /// The connection is closed in mid-body, in good order.
    Closed,
    /// The body stops coming, and the connection stays.
    Stalled,
    /// No answer comes, and the connection stays.
    Silent,
    /// An error status, and the seconds of a `Retry-After`.
    Status(u16, Option<u64>),
    /// A request for a range is answered with the whole file.
    IgnoresRange,
    /// `Content-Range` names other bytes than those that were asked for.
    WrongRange,
    /// `Content-Range` says another size.
    WrongSize,
    /// Other bytes than the headers say. Only a hash tells.
    Lies,
    /// A portal answers with a page of HTML.
    Portal,
    /// The headers that let other origins read are missing.
    Cors,
}

impl Trouble {
    /// What a request met.
    #[must_use]
    pub const fn met(self) -> &'static str {
        match self {
            Self::Refused => "a request met a reset",
            Self::Cut => "a request met a body that is cut",
            Self::Closed => "a request met a body that is closed early",
            Self::Stalled => "a request met a body that stalls",
            Self::Silent => "a request met silence",
            Self::Status(401 | 403, _) => "a request met 401 or 403",
            Self::Status(404 | 410, _) => "a request met 404 or 410",
            Self::Status(412, _) => "a request met 412",
            Self::Status(416, _) => "a request met 416",
            Self::Status(429 | 503, Some(_)) => "a request met 429 or 503 with Retry-After",
            Self::Status(..) => "a request met another error status",
            Self::IgnoresRange => "a request met 200 to a range",
            Self::WrongRange => "a request met a wrong range",
            Self::WrongSize => "a request met a wrong size",
            Self::Lies => "a request met wrong bytes with right headers",
            Self::Portal => "a request met a portal",
            Self::Cors => "a request met CORS",
        }
    }
}

/// How a body ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// By a reset.
    Reset,
    /// In good order.
    Closed,
    /// Not at all: nothing comes any more.
    Silence,
}

/// A body on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// The bytes that are to come.
    pub bytes: Piece,
    /// After how many of them it breaks, and how.
    pub breaks: Option<(u64, Break)>,
}

/// What comes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer, and its body.
    HttpResponse(Box<HttpResponse>, Flow),
    /// No connection.
    Refused,
    /// An answer that another origin may not read.
    Hidden,
    /// Nothing, for ever.
    Silence,
}

/// First and last position of what a request asks for; `None` where that is nothing, and so everything.
#[must_use]
pub fn positions(range: longhaul_core::Range) -> Option<(u64, u64)> {
    (range.len > 0).then(|| (range.start, range.end() - 1))
}

/// What is asked of a server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// `HEAD` instead of `GET`.
    pub head: bool,
    /// First and last position.
    pub range: Option<(u64, u64)>,
    /// The version in `If-Match`.
    pub if_match: Option<u32>,
    /// The version in `If-Range`.
    pub if_range: Option<u32>,
    /// Whether the headers are sent that a server may demand.
    pub headers: bool,
}

/// A server with its file.
// Each a property that servers have or have not, whatever the others are.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone)]
pub struct Server {
    /// Its number.
    pub file: usize,
    /// The full URL of the file, with what is secret in it.
    pub url: String,
    /// Its size in bytes.
    pub size: u64,
    /// The version of its bytes.
    pub version: u32,
    /// The version that its headers claim.
    pub claimed: u32,
    /// By what versions are told apart.
    pub tag: Tag,
    /// Whether ranges are honoured.
    pub ranges: bool,
    /// Whether a plain answer tells its length.
    pub sized: bool,
    /// Whether it is of another origin than the pages.
    pub cross_origin: bool,
    /// Whether another origin may read `Content-Range` and `ETag`.
    pub exposes: bool,
    /// Whether it wants headers.
    pub wants_headers: bool,
    /// Whether it heeds `If-Match` and `If-Range`.
    pub heeds_conditions: bool,
    /// Bytes a second of one connection.
    pub rate: u64,
    /// What is wrong, for so many requests.
    pub trouble: Option<(Trouble, u32)>,
    /// Until when nobody answers, in microseconds.
    pub down_until: u64,
}

impl Server {
    /// Whether Chromium could resume a response of this server, and so freezes it at navigations.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.ranges && self.tag != Tag::None
    }

    fn take_trouble(&mut self) -> Option<Trouble> {
        let (trouble, left) = self.trouble.take()?;
        if left > 1 {
            self.trouble = Some((trouble, left - 1));
        }
        Some(trouble)
    }

    /// Answers.
    pub fn reply(&mut self, asked: &Asked) -> Reply {
        let trouble = self.take_trouble();
        match trouble {
            Some(Trouble::Refused) => return Reply::Refused,
            Some(Trouble::Silent) => return Reply::Silence,
            Some(Trouble::Cors) if self.cross_origin => return Reply::Hidden,
            Some(Trouble::Status(status, after)) => return self.error(status, after),
            Some(Trouble::Portal) => return Self::portal(),
            _ => {}
        }
        if self.wants_headers && !asked.headers {
            return self.error(401, None);
        }
        let is_stale = |version| self.heeds_conditions && version != self.claimed;
        if asked.if_match.is_some_and(is_stale) {
            return self.error(412, None);
        }
        let honoured = self.ranges
            && !asked.head
            && !asked.if_range.is_some_and(is_stale)
            && trouble != Some(Trouble::IgnoresRange);
        match asked.range.filter(|_| honoured) {
            Some((first, _)) if first >= self.size => self.unsatisfiable(),
            Some((first, last)) => self.part(first, last.min(self.size - 1), trouble),
            None => self.whole(asked.head, trouble),
        }
    }

    fn headers(&self, status: u16) -> HttpResponse {
        let readable = !self.cross_origin || self.exposes;
        let version = self.claimed;
        HttpResponse {
            status,
            etag: (self.tag == Tag::Strong && readable).then(|| format!("\"v{version}\"")),
            // Of the headers that versions are told by this one is readable from everywhere.
            last_modified: (self.tag == Tag::Dated)
                .then(|| format!("Thu, 01 Jan 2026 00:00:{:02} GMT", version % 60)),
            content_type: Some("application/octet-stream".to_owned()),
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
            status: answer.status,
            content_length: answer.content_length,
            content_type: answer.content_type,
            cross_origin: true,
            ..HttpResponse::default()
        }
    }

    fn piece(&self, start: u64, len: u64) -> Piece {
        Piece {
            file: self.file,
            version: self.version,
            start,
            len,
        }
    }

    fn error(&self, status: u16, retry_after: Option<u64>) -> Reply {
        let answer = HttpResponse {
            status,
            retry_after: retry_after.map(|seconds| seconds.to_string()),
            cross_origin: self.cross_origin,
            ..HttpResponse::default()
        };
        Reply::HttpResponse(Box::new(answer), self.flow(0, 0, None))
    }

    fn portal() -> Reply {
        let answer = HttpResponse {
            status: 200,
            content_type: Some("text/html; charset=utf-8".to_owned()),
            content_length: Some(77),
            ..HttpResponse::default()
        };
        let page = Piece {
            file: usize::MAX,
            version: 0,
            start: 0,
            len: 77,
        };
        let flow = Flow {
            bytes: page,
            breaks: None,
        };
        Reply::HttpResponse(Box::new(answer), flow)
    }

    fn unsatisfiable(&self) -> Reply {
        let mut answer = self.headers(416);
        answer.content_range = Some(format!("bytes */{}", self.size));
        Reply::HttpResponse(Box::new(answer), self.flow(0, 0, None))
    }

    fn part(&self, first: u64, last: u64, trouble: Option<Trouble>) -> Reply {
        let mut answer = self.headers(206);
        let len = last - first + 1;
        answer.content_length = Some(len);
        let readable = !self.cross_origin || self.exposes;
        let (mut shown, mut size) = (first, self.size);
        match trouble {
            Some(Trouble::WrongRange) => shown = first.saturating_add(1).min(last),
            Some(Trouble::WrongSize) => size += 1,
            _ => {}
        }
        answer.content_range = readable.then(|| format!("bytes {shown}-{last}/{size}"));
        let mut flow = self.flow(first, len, trouble);
        if trouble == Some(Trouble::Lies) {
            flow.bytes.start += 1;
        }
        Reply::HttpResponse(Box::new(answer), flow)
    }

    fn whole(&self, head: bool, trouble: Option<Trouble>) -> Reply {
        let mut answer = self.headers(200);
        answer.content_length = self.sized.then_some(self.size);
        let len = if head { 0 } else { self.size };
        Reply::HttpResponse(Box::new(answer), self.flow(0, len, trouble))
    }

    fn flow(&self, start: u64, len: u64, trouble: Option<Trouble>) -> Flow {
        let middle = len / 2;
        let breaks = match trouble {
            Some(Trouble::Cut) => Some((middle, Break::Reset)),
            Some(Trouble::Closed) => Some((middle, Break::Closed)),
            Some(Trouble::Stalled) => Some((middle, Break::Silence)),
            _ => None,
        };
        Flow {
            bytes: self.piece(start, len),
            breaks: breaks.filter(|_| len > 1),
        }
    }
}
