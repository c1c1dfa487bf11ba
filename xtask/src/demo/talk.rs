//! What a connection of the client says, and when the reply to it is whole and right.
//!
//! | talk | message                            | reply                                 |
//! |------|------------------------------------|---------------------------------------|
//! | echo | 64 bytes, no two messages the same | the same bytes                        |
//! | get  | one GET of HTTP/1.1                | status 200, a body of Content-Length  |

/// Bytes of a message of the echo.
pub const MESSAGE: usize = 64;
/// Bytes that a reply over HTTP may have; one that is longer is not ours.
const HTTP_REPLY: usize = 4_096;

/// The talk of all connections.
#[derive(Clone, Debug)]
pub enum Talk {
    /// Each message comes back.
    Echo,
    /// The request, which is the same each time. It leaves the connection open, as HTTP/1.1 does.
    Get(Vec<u8>),
}

impl Talk {
    /// Asks for `path` again and again.
    pub fn get(path: &str) -> Self {
        Self::Get(format!("GET {path} HTTP/1.1\r\nHost: demo\r\n\r\n").into_bytes())
    }

    /// Bytes that a reply has at most.
    pub fn room(&self) -> usize {
        match self {
            Self::Echo => MESSAGE,
            Self::Get(_) => HTTP_REPLY,
        }
    }

    /// Writes the message of one connection in one round.
    pub fn say(&self, number: u64, round: u64, into: &mut Vec<u8>) {
        into.clear();
        match self {
            Self::Echo => into.extend_from_slice(&message(number, round)),
            Self::Get(request) => into.extend_from_slice(request),
        }
    }

    /// None while the reply goes on; then whether it is the right one.
    pub fn judge(&self, reply: &[u8], number: u64, round: u64) -> Option<bool> {
        match self {
            Self::Echo => (reply.len() == MESSAGE).then(|| reply == message(number, round)),
            Self::Get(_) => http(reply),
        }
    }
}

/// The message of one connection in one round: no two are the same.
fn message(number: u64, round: u64) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    let mut word = number << 40 | round;
    for bytes in message.chunks_exact_mut(8) {
        bytes.copy_from_slice(&word.to_le_bytes());
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    }
    message
}

/// A reply as our own server makes them (RFC 9112), with a Content-Length; anything else is wrong.
fn http(reply: &[u8]) -> Option<bool> {
    const END: &[u8] = b"\r\n\r\n";
    let head = reply.windows(END.len()).position(|bytes| bytes == END)?;
    let Ok(text) = str::from_utf8(&reply[..head]) else { return Some(false) };
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let (Some(status), Some(length)) = (status, length) else { return Some(false) };
    let whole = (head + END.len()).saturating_add(length);
    let right = status == "200" || status.starts_with("200 ");
    // Bytes behind the body are an answer that nobody asked for.
    (reply.len() >= whole).then_some(right && reply.len() == whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_messages_of_the_echo_are_the_same() {
        let messages = [(0, 1), (0, 2), (1, 1), (1, 2)].map(|(n, r)| message(n, r));
        for (index, message) in messages.iter().enumerate() {
            assert!(!messages[..index].contains(message));
        }
    }

    #[test]
    fn a_reply_over_http_is_whole_with_its_last_byte_and_not_before() {
        let reply = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 3\r\nX: y\r\n\r\nabc";
        for end in 0..reply.len() {
            assert_eq!(http(&reply[..end]), None, "{end} bytes");
        }
        assert_eq!(http(reply), Some(true));
    }

    #[test]
    fn another_status_no_length_and_bytes_too_many_are_wrong() {
        for wrong in [
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
            "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
            "SMTP\r\nContent-Length: 0\r\n\r\n",
        ] {
            assert_eq!(http(wrong.as_bytes()), Some(false), "{wrong}");
        }
    }
}
