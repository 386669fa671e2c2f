//! Non-blocking GET requests: the runner keeps reading the service's output while it waits for a
//! response.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Time limit for the kernel to accept a connection on the loopback interface.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);
/// Time for which the rest of a response is read after its status line. A stream may have no end.
const REST_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum bytes read of a response.
const MAX_ANSWER: usize = 1 << 20;
/// Maximum length of a status line.
const MAX_STATUS_LINE: usize = 1 << 10;

/// An `http://` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    text: String,
    host: String,
    path: String,
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Url {
    /// Parses `http://HOST[:PORT][/PATH]`; `None` for anything else, including https.
    pub(crate) fn parse(text: &str) -> Option<Url> {
        let rest = text.strip_prefix("http://")?.split('#').next()?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let plain = |c: char| c.is_ascii_graphic();
        if host.is_empty() || host.contains('@') || !rest.chars().all(plain) {
            return None;
        }
        let path = if path.starts_with('/') { path.into() } else { format!("/{path}") };
        Some(Url { text: text.into(), host: host.into(), path })
    }

    fn address(&self) -> io::Result<SocketAddr> {
        let with_port = if self.host.rsplit(']').next().is_some_and(|end| end.contains(':')) {
            self.host.clone()
        } else {
            format!("{}:80", self.host)
        };
        let mut found = with_port.to_socket_addrs()?;
        found.next().ok_or_else(|| io::Error::new(ErrorKind::NotFound, "the host has no address"))
    }
}

/// A request in progress.
#[derive(Debug)]
pub(crate) struct Get {
    stream: TcpStream,
    response: Vec<u8>,
    read: usize,
    /// The status and when it was read.
    status: Option<(u16, Instant)>,
}

impl Get {
    /// Connects and sends the request.
    pub(crate) fn start(url: &Url) -> io::Result<Get> {
        let mut stream = TcpStream::connect_timeout(&url.address()?, CONNECT_TIMEOUT)?;
        stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
        let (path, host) = (&url.path, &url.host);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ungil\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        stream.set_nonblocking(true)?;
        Ok(Get { stream, response: Vec::new(), read: 0, status: None })
    }

    /// Returns the status once the response is complete, or why there is none. `None` while the
    /// request is in progress.
    pub(crate) fn poll(&mut self) -> Option<Result<u16, String>> {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Some(self.end("it closed the connection without a response")),
                Ok(n) => {
                    self.read += n;
                    if self.status.is_none() {
                        self.response.extend_from_slice(&buffer[..n]);
                        self.status = status(&self.response).map(|s| (s, Instant::now()));
                    }
                    if self.status.is_none() && self.response.len() > MAX_STATUS_LINE
                        || self.read > MAX_ANSWER
                    {
                        return Some(self.end("its response is not HTTP"));
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    let (status, since) = self.status?;
                    return (since.elapsed() > REST_TIMEOUT).then_some(Ok(status));
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Some(self.end(&e.to_string())),
            }
        }
    }

    fn end(&self, otherwise: &str) -> Result<u16, String> {
        match self.status {
            Some((status, _)) => Ok(status),
            None if !self.response.is_empty() => Err("its response is not HTTP".into()),
            None => Err(otherwise.into()),
        }
    }
}

/// Parses the status of `HTTP/1.1 200 OK`, once the line is complete.
fn status(response: &[u8]) -> Option<u16> {
    let end = response.iter().position(|&b| b == b'\n')?;
    let line = std::str::from_utf8(response.get(..end)?).ok()?;
    let mut words = line.split_ascii_whitespace();
    words.next()?.strip_prefix("HTTP/")?;
    words.next()?.parse().ok().filter(|s| (100..600).contains(s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_urls() {
        let url = Url::parse("http://127.0.0.1:80/a?b=c#d").expect("a URL");
        assert_eq!((url.host.as_str(), url.path.as_str()), ("127.0.0.1:80", "/a?b=c"));
        assert_eq!(Url::parse("http://localhost?x").map(|u| u.path), Some("/?x".into()));
        for text in ["https://127.0.0.1/", "http://", "127.0.0.1:80", "http://a b/", "http://u@h/"]
        {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn parses_complete_status_lines() {
        assert_eq!(status(b"HTTP/1.0 503 Busy\r\n"), Some(503));
        for text in [
            &b"HTTP/1.1 200"[..],
            b"+PONG\r\n",
            b"HTTP/1.1 xx\n",
            b"HTTP/1.1 9999 x\n",
            b"\xff\n",
            b"",
        ] {
            assert_eq!(status(text), None);
        }
    }
}
