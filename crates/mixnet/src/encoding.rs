//! Byte-exact encodings: one for each value, and nothing else is read.
//!
//! Elements and scalars stand as their group encodes them, counts as four bytes, big-endian. A decoder refuses what
//! is too short, too long, not canonical, or announces more than is there.

use rayon::prelude::*;

use crate::group::{Group, NotCanonical, SCALAR_BYTES};

/// Elements or scalars that one core reads or writes at a time.
const SHARED_FROM: usize = 64;

/// Why bytes are not the encoding of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the bytes end too early")]
    Short,
    #[error("{0} bytes too many")]
    Trailing(usize),
    #[error("a count of {0} is not allowed here")]
    Count(u32),
    #[error("a byte says {0}, which means nothing here")]
    Byte(u8),
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

/// What has one encoding.
pub trait Encoded: Sized {
    /// Appends the encoding.
    fn encode(&self, into: &mut Vec<u8>);

    /// Reads one from the front.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>;

    #[must_use]
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        bytes
    }

    /// The value that all of `bytes` are the encoding of.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let value = Self::read(&mut reader)?;
        reader.end()?;
        Ok(value)
    }
}

/// What is left to read.
#[derive(Debug)]
pub struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// Is nothing left?
    pub const fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Trailing(self.0.len())) }
    }

    pub fn bytes(&mut self, count: usize) -> Result<&'b [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed::Short)
    }

    pub fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A count of things of which each takes at least `each_bytes_min`, so that nobody makes us set aside room
    /// for more than they sent.
    pub fn count(&mut self, each_bytes_min: usize) -> Result<usize, Malformed> {
        let count = u32::from_be_bytes(self.array()?);
        let room = usize::try_from(count).ok().and_then(|count| count.checked_mul(each_bytes_min));
        match room {
            Some(room) if room <= self.0.len() => usize::try_from(count).map_err(|_| Malformed::Count(count)),
            _ => Err(Malformed::Short),
        }
    }

    pub fn number(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn element<G: Group>(&mut self) -> Result<G::Element, Malformed> {
        Ok(G::decode_element(self.bytes(G::ELEMENT_BYTES)?)?)
    }

    pub fn scalar<G: Group>(&mut self) -> Result<G::Scalar, Malformed> {
        Ok(G::decode_scalar(self.bytes(SCALAR_BYTES)?)?)
    }

    /// So many elements, read on all cores.
    pub fn elements<G: Group>(&mut self, count: usize) -> Result<Vec<G::Element>, Malformed> {
        let bytes = self.bytes(count.checked_mul(G::ELEMENT_BYTES).ok_or(Malformed::Short)?)?;
        let each = bytes.par_chunks_exact(G::ELEMENT_BYTES).with_min_len(SHARED_FROM);
        Ok(each.map(G::decode_element).collect::<Result<_, _>>()?)
    }

    pub fn scalars<G: Group>(&mut self, count: usize) -> Result<Vec<G::Scalar>, Malformed> {
        let bytes = self.bytes(count.checked_mul(SCALAR_BYTES).ok_or(Malformed::Short)?)?;
        Ok(bytes.chunks_exact(SCALAR_BYTES).map(G::decode_scalar).collect::<Result<_, _>>()?)
    }
}

/// Appends a count.
///
/// # Panics
///
/// If it is beyond 2^32, which no election's numbers are.
pub(crate) fn write_count(count: usize, into: &mut Vec<u8>) {
    into.extend(u32::try_from(count).expect("fewer than 2^32 of anything").to_be_bytes());
}

/// Appends elements, encoded on all cores.
pub(crate) fn write_elements<G: Group>(elements: &[G::Element], into: &mut Vec<u8>) {
    write_parts::<G>(elements, into, |elements, into| {
        elements.iter().for_each(|element| G::encode_element(element, into));
    });
}

/// Appends twice each element, encoded on all cores.
pub(crate) fn write_doubled<G: Group>(elements: &[G::Element], into: &mut Vec<u8>) {
    write_parts::<G>(elements, into, G::encode_doubled);
}

fn write_parts<G: Group>(
    elements: &[G::Element],
    into: &mut Vec<u8>,
    write: impl Fn(&[G::Element], &mut Vec<u8>) + Sync,
) {
    let parts: Vec<Vec<u8>> = elements
        .par_chunks(SHARED_FROM)
        .map(|elements| {
            let mut bytes = Vec::with_capacity(elements.len() * G::ELEMENT_BYTES);
            write(elements, &mut bytes);
            bytes
        })
        .collect();
    parts.iter().for_each(|part| into.extend_from_slice(part));
}

pub(crate) fn write_scalars<G: Group>(scalars: &[G::Scalar], into: &mut Vec<u8>) {
    scalars.iter().for_each(|scalar| into.extend(G::encode_scalar(scalar)));
}
