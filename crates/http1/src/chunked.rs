//! Bodies in chunks (RFC 9112, section 7.1): told apart strictly, because a byte read differently by a
//! proxy before us would be somebody else's request.

use super::Fault;

/// Bytes of one chunk's size line with its extensions, which nobody has a use for.
const SIZE_LINE_BYTES_MAX: u32 = 256;
/// Bytes of size lines for each body, beyond what its data excuses: tiny chunks must not cost us more
/// than they bring.
const OVERHEAD_BYTES_MAX: u64 = 64 << 10;
/// Bytes of the trailer section, which is read and thrown away.
const TRAILER_BYTES_MAX: u32 = 8 << 10;
/// Hexadecimal digits of a size: 16 would not fit a file on any disk, and the ninth is beyond every limit.
const DIGITS_MAX: u32 = 15;

/// Where in a chunked body the bytes so far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before or within a size.
    Size {
        digits: u32,
    },
    /// Behind a size, where only spaces and an extension may come.
    Space,
    /// Within an extension.
    Extension,
    /// Behind the CR of a size line.
    SizeEnd,
    Data,
    /// Behind a chunk's data.
    DataCr,
    DataLf,
    /// At the beginning of a line of the trailer section, or of the empty line that ends it.
    TrailerStart,
    Trailer,
    TrailerLf,
    /// Behind the CR of the empty line.
    LastLf,
    Done,
}

/// Reads a chunked body, however its bytes are cut.
#[derive(Debug, Clone)]
pub struct Chunks {
    state: State,
    /// Bytes of data that are left of the chunk, or the size as read so far.
    left: u64,
    line_bytes: u32,
    overhead_bytes: u64,
    data_bytes: u64,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Size { digits: 0 }, left: 0, line_bytes: 0, overhead_bytes: 0, data_bytes: 0 }
    }
}

impl Chunks {
    /// Has the whole body been read?
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Bytes of data that come before anything else.
    #[must_use]
    pub const fn data_left(&self) -> u64 {
        if matches!(self.state, State::Data) { self.left } else { 0 }
    }

    /// As many bytes of data were read past this reader.
    pub fn took(&mut self, bytes: u64) {
        self.left = self.left.saturating_sub(bytes);
        self.data_bytes += bytes;
        if self.left == 0 {
            self.state = State::DataCr;
        }
    }

    /// Reads on: how many bytes are used, and how many of those, the last ones, are data.
    ///
    /// It stops behind each run of data. When nothing is used, there is nothing left to use, or the body
    /// is over.
    ///
    /// # Errors
    /// When the bytes are no chunked body.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(usize, usize), Fault> {
        let mut used = 0;
        while let Some(byte) = bytes.get(used) {
            if self.state == State::Done {
                break;
            }
            if self.state == State::Data {
                let data = bytes.len() - used;
                let data = usize::try_from(self.left).map_or(data, |left| left.min(data));
                self.took(u64::try_from(data).unwrap_or(u64::MAX));
                return Ok((used + data, data));
            }
            self.step(*byte)?;
            used += 1;
        }
        Ok((used, 0))
    }

    /// One byte that is no data.
    fn step(&mut self, byte: u8) -> Result<(), Fault> {
        self.count()?;
        self.state = match (self.state, byte) {
            (State::Size { digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < DIGITS_MAX => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                self.left = (self.left << 4) | digit;
                State::Size { digits: digits + 1 }
            }
            (State::Size { digits: 1.. }, b' ' | b'\t') | (State::Space, b' ' | b'\t') => State::Space,
            (State::Size { digits: 1.. } | State::Space, b';') => State::Extension,
            (State::Size { digits: 1.. } | State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => State::Extension,
            (State::SizeEnd, b'\n') => {
                self.line_bytes = 0;
                if self.left == 0 { State::TrailerStart } else { State::Data }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.line_bytes = 0;
                State::Size { digits: 0 }
            }
            (State::TrailerStart, b'\r') => State::LastLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerStart, b'!'..=b'~') | (State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => {
                State::Trailer
            }
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(Fault::Malformed("the chunks of the body are malformed")),
        };
        Ok(())
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.line_bytes += 1;
        self.overhead_bytes += 1;
        let trailer =
            matches!(self.state, State::TrailerStart | State::Trailer | State::TrailerLf | State::LastLf);
        let line_bytes_max = if trailer { TRAILER_BYTES_MAX } else { SIZE_LINE_BYTES_MAX };
        // Six bytes tell one byte of data, so honest chunks of any size stay below.
        let excused = self.data_bytes.saturating_mul(6).saturating_add(OVERHEAD_BYTES_MAX);
        if self.line_bytes > line_bytes_max || self.overhead_bytes > excused {
            return Err(Fault::Malformed("the chunks of the body carry too much besides data"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
