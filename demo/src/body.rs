//! A body on its way: paced, cut, stalled, corrupted or compressed as the request asked, and counted.

use std::io::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

use crate::content::Reader;
use crate::faults::{Counters, Faults};
use crate::log::{Outcome, Recorder};
use crate::socket::{Connection, Ending};

/// The largest piece that is handed on at once.
const PIECE: u64 = 256 * 1024;
/// A paced body is handed on in pieces of this much time.
const PIECES_PER_SECOND: u64 = 20;
/// How far a paced body may catch up after the client was slow to read.
const CATCH_UP: Duration = Duration::from_millis(200);

/// How long so many bytes take.
pub(crate) fn time_of(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// What is needed to send the bytes of an answer.
pub(crate) struct Sending {
    /// Where they come from, opened at `span.start`.
    pub(crate) reader: Reader,
    /// Which bytes of the file.
    pub(crate) span: Range<u64>,
    /// Bytes of nothing behind them.
    pub(crate) extra: u64,
    /// The head promised more than that: the connection ends behind them.
    pub(crate) short: bool,
    /// This byte of the file inverted.
    pub(crate) corrupt: Option<u64>,
    pub(crate) gzip: bool,
    pub(crate) faults: Faults,
    pub(crate) counters: Arc<Counters>,
    pub(crate) key: String,
    pub(crate) connection: Arc<Connection>,
    pub(crate) recorder: Recorder,
}

impl Sending {
    /// The body that sends them.
    pub(crate) fn into_body(self) -> Body {
        let cut = self.faults.cut.and_then(|cut| cut.within(&self.span));
        let stall = self.faults.stall.and_then(|stall| stall.within(&self.span));
        let encoder = self
            .gzip
            .then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        let flow = Flow {
            at: self.span.start,
            end: self.span.end,
            cut,
            stall,
            encoder,
            began: Instant::now(),
            paced: 0,
            sending: self,
        };
        Body::from_stream(stream::unfold(flow, |mut flow| async {
            let item = flow.next().await.transpose()?;
            Some((item, flow))
        }))
    }
}

struct Flow {
    sending: Sending,
    at: u64,
    end: u64,
    /// Still ahead, in offsets of the file.
    cut: Option<u64>,
    stall: Option<u64>,
    encoder: Option<GzEncoder<Vec<u8>>>,
    began: Instant,
    paced: u64,
}

impl Flow {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            self.pass_cut().await?;
            self.pass_stall().await;
            let Some(piece) = self.read().await? else {
                if self.sending.short {
                    return Err(self.hang_up(Ending::Fin).await);
                }
                return Ok(self.finish());
            };
            let piece = self.encode(piece)?;
            if piece.is_empty() {
                continue;
            }
            self.sending.recorder.sent(piece.len());
            if self.is_over() {
                // With a `Content-Length` nobody asks again.
                self.sending.recorder.ends(Outcome::Done);
            }
            return Ok(Some(piece));
        }
    }

    async fn pass_cut(&mut self) -> io::Result<()> {
        if self.cut != Some(self.at) {
            return Ok(());
        }
        self.cut = None;
        let Sending {
            faults,
            counters,
            key,
            ..
        } = &self.sending;
        if !counters.may_cut(key, faults.cut_times) {
            return Ok(());
        }
        Err(self.hang_up(self.sending.faults.cut_by).await)
    }

    /// Ends the connection when all that was given to it so far has left.
    async fn hang_up(&mut self, how: Ending) -> io::Error {
        let connection = &self.sending.connection;
        connection.flush().await;
        connection.sever(how);
        self.sending.recorder.ends(Outcome::Cut);
        io::ErrorKind::ConnectionAborted.into()
    }

    async fn pass_stall(&mut self) {
        if self.stall != Some(self.at) {
            return;
        }
        self.stall = None;
        let Sending {
            faults,
            counters,
            key,
            ..
        } = &self.sending;
        if !counters.may_stall(key, faults.stall_times) {
            return;
        }
        let Some(wait) = faults.stall_for else {
            // Ends when the client closes the connection.
            return std::future::pending().await;
        };
        tokio::time::sleep(wait).await;
        self.began = Instant::now();
        self.paced = 0;
    }

    /// The next piece of the file or of what comes behind it, when its time has come.
    async fn read(&mut self) -> io::Result<Option<Bytes>> {
        let Sending { faults, .. } = &self.sending;
        let slowest = faults.rate.into_iter().chain(faults.rate_total).min();
        let most = slowest.map_or(PIECE, |rate| (rate / PIECES_PER_SECOND).clamp(1, PIECE));
        let next_stop = [self.cut, self.stall, Some(self.end)]
            .into_iter()
            .flatten()
            .min();
        let left = next_stop.unwrap_or(self.end) - self.at;
        if left > 0 {
            let piece = self.sending.reader.next(most.min(left)).await?;
            let piece = corrupted(piece, self.at, self.sending.corrupt);
            self.at += piece.len() as u64;
            self.pace(piece.len() as u64).await;
            return Ok(Some(piece));
        }
        let extra = self.sending.extra.min(most);
        if extra == 0 {
            return Ok(None);
        }
        self.sending.extra -= extra;
        self.pace(extra).await;
        let zeros = vec![0; usize::try_from(extra).expect("at most PIECE")];
        Ok(Some(zeros.into()))
    }

    async fn pace(&mut self, bytes: u64) {
        let Sending {
            faults,
            counters,
            key,
            ..
        } = &self.sending;
        if let Some(rate) = faults.rate_total {
            let due = counters.book(key, bytes, rate) + time_of(bytes, rate);
            tokio::time::sleep_until(due.into()).await;
        }
        let Some(rate) = faults.rate else { return };
        self.paced += bytes;
        let due = self.began + time_of(self.paced, rate);
        let late = Instant::now().saturating_duration_since(due);
        if late > CATCH_UP {
            self.began += late;
        }
        tokio::time::sleep_until(due.into()).await;
    }

    fn encode(&mut self, piece: Bytes) -> io::Result<Bytes> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(piece);
        };
        encoder.write_all(&piece)?;
        Ok(std::mem::take(encoder.get_mut()).into())
    }

    fn is_over(&self) -> bool {
        let Sending { extra, short, .. } = &self.sending;
        self.at == self.end && *extra == 0 && !short && self.encoder.is_none()
    }

    /// What the compressor still holds.
    fn finish(&mut self) -> Option<Bytes> {
        self.sending.recorder.ends(Outcome::Done);
        let rest = self
            .encoder
            .take()?
            .finish()
            .expect("a vector takes everything");
        self.sending.recorder.sent(rest.len());
        Some(rest.into())
    }
}

/// The piece that starts at `at`, with one byte inverted if it lies within.
fn corrupted(piece: Bytes, at: u64, offset: Option<u64>) -> Bytes {
    let index = offset
        .and_then(|offset| offset.checked_sub(at))
        .and_then(|index| usize::try_from(index).ok());
    match index {
        Some(index) if index < piece.len() => {
            let mut bytes = piece.to_vec();
            bytes[index] = !bytes[index];
            bytes.into()
        }
        _ => piece,
    }
}
