//! A client that hides nothing: one request on a connection of its own, and the answer as it came over the wire.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How the answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Where its head said.
    Complete,
    /// The connection was closed in good order before that.
    Fin,
    /// The connection was reset before that.
    Rst,
}

/// An answer, or what came of it.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0 if not even the head came.
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
    /// From the request to the head, and to the end.
    pub(crate) head_after: Duration,
    pub(crate) end_after: Duration,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} comes twice");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// A connection on which a request has been sent.
pub(crate) struct Exchange {
    stream: TcpStream,
    began: Instant,
    head_only: bool,
}

/// Sends a request. `origin` is `http://<address>`.
pub(crate) fn send(origin: &str, method: &str, target: &str, headers: &[(&str, &str)]) -> Exchange {
    send_with_body(origin, method, target, headers, "")
}

pub(crate) fn send_with_body(
    origin: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Exchange {
    let address = origin.strip_prefix("http://").expect("an origin");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let limit = Some(Duration::from_secs(30));
    stream.set_read_timeout(limit).expect("a time limit");
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").expect("a string takes everything");
    }
    if !body.is_empty() {
        write!(head, "content-length: {}\r\n", body.len()).expect("a string takes everything");
    }
    write!(head, "\r\n{body}").expect("a string takes everything");
    let began = Instant::now();
    stream.write_all(head.as_bytes()).expect("sent");
    Exchange {
        stream,
        began,
        head_only: method == "HEAD",
    }
}

pub(crate) fn get(origin: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    send(origin, "GET", target, headers).answer()
}

impl Exchange {
    /// Reads so many bytes of head and body together.
    pub(crate) fn read(&mut self, bytes: usize) {
        let mut buffer = vec![0; bytes];
        self.stream.read_exact(&mut buffer).expect("more bytes");
    }

    /// Reads the whole answer, or as much of it as comes.
    pub(crate) fn answer(mut self) -> Answer {
        let mut reader = Reader {
            stream: &mut self.stream,
            buffer: Vec::new(),
        };
        let mut answer = Answer {
            status: 0,
            headers: Vec::new(),
            body: Vec::new(),
            end: End::Complete,
            head_after: Duration::ZERO,
            end_after: Duration::ZERO,
        };
        answer.end = match reader.read_answer(&mut answer, self.head_only, self.began) {
            Ok(()) => End::Complete,
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => End::Fin,
                io::ErrorKind::ConnectionReset => End::Rst,
                _ => panic!("{error}"),
            },
        };
        answer.end_after = self.began.elapsed();
        answer
    }
}

struct Reader<'a> {
    stream: &'a mut TcpStream,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    fn read_answer(
        &mut self,
        answer: &mut Answer,
        head_only: bool,
        began: Instant,
    ) -> io::Result<()> {
        let status = self.line()?;
        let mut words = status.split(' ');
        assert_eq!(words.next(), Some("HTTP/1.1"));
        answer.status = words
            .next()
            .and_then(|code| code.parse().ok())
            .expect("a status");
        answer.head_after = began.elapsed();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else {
                assert_eq!(line, "");
                break;
            };
            answer.headers.push((name.to_owned(), value.to_owned()));
        }
        if head_only || [204, 304].contains(&answer.status) {
            return Ok(());
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).expect("a chunk's size");
                self.take(size, &mut answer.body)?;
                assert_eq!(self.line()?, "");
                if size == 0 {
                    return Ok(());
                }
            }
        }
        let length = answer.header("content-length").expect("a length or chunks");
        let length = length.parse().expect("a number");
        self.take(length, &mut answer.body)
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8(self.buffer[..end].to_vec()).expect("text");
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn take(&mut self, mut bytes: usize, out: &mut Vec<u8>) -> io::Result<()> {
        while bytes > 0 {
            if self.buffer.is_empty() {
                self.fill()?;
            }
            let n = bytes.min(self.buffer.len());
            out.extend(self.buffer.drain(..n));
            bytes -= n;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut piece = vec![0; 64 * 1024];
        let n = self.stream.read(&mut piece)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&piece[..n]);
        Ok(())
    }
}
