//! ElGamal over rows: each row holds as many ciphertexts as its election's widest answer needs elements.

use rand_core::CryptoRng;
use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::{
    encoding::{Encoded, Malformed, Reader, write_count, write_elements},
    group::Group,
};

/// Ciphertexts in one row, at most.
pub const WIDTH_MAX: usize = 64;

/// What an election's answers are encrypted to. Never the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptionKey<G: Group>(G::Element);

/// `(rG, M + rY)`: the two halves of a ciphertext of `M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ciphertext<G: Group> {
    /// `rG`.
    pub mask: G::Element,
    /// `M + rY`.
    pub body: G::Element,
}

/// Ciphertexts that stay together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<G: Group>(Vec<Ciphertext<G>>);

/// Rows of one width, column by column as sums over them want it, with the bytes that say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<G: Group> {
    masks: Vec<Vec<G::Element>>,
    bodies: Vec<Vec<G::Element>>,
    encoded: Vec<u8>,
}

/// Scalars that nobody else may see, wiped when they are dropped.
pub type Secrets<G> = Zeroizing<Vec<<G as Group>::Scalar>>;

/// No key, no row, no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("the identity hides nothing")]
    Identity,
    #[error("a row of {0} ciphertexts: 1 to {WIDTH_MAX} are possible")]
    Width(usize),
    #[error("a row of {found} ciphertexts among rows of {expected}")]
    Uneven { expected: usize, found: usize },
    #[error("there are no rows")]
    Empty,
}

impl<G: Group> EncryptionKey<G> {
    pub fn new(element: G::Element) -> Result<Self, Unfit> {
        if element == G::identity() { Err(Unfit::Identity) } else { Ok(Self(element)) }
    }

    #[must_use]
    pub const fn element(&self) -> &G::Element {
        &self.0
    }

    /// Encrypts a row, with fresh scalars that are handed back: who made a ciphertext proves it with them.
    pub fn encrypt(
        &self,
        messages: &[G::Element],
        rng: &mut impl CryptoRng,
    ) -> Result<(Row<G>, Secrets<G>), Unfit> {
        let scalars: Vec<_> = messages.iter().map(|_| G::random_scalar(rng)).collect();
        let scalars = Zeroizing::new(scalars);
        let pairs = messages.iter().zip(&*scalars);
        let ciphertexts = pairs.map(|(message, scalar)| Ciphertext {
            mask: G::mul_generator(scalar),
            body: *message + G::mul(&self.0, scalar),
        });
        Ok((Row::new(ciphertexts.collect())?, scalars))
    }
}

impl<G: Group> Encoded for EncryptionKey<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        G::encode_element(&self.0, into);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.element::<G>().map(Self)
    }
}

impl<G: Group> Row<G> {
    /// Ciphertexts of which no half is the identity, because such a row could not be read again.
    pub fn new(ciphertexts: Vec<Ciphertext<G>>) -> Result<Self, Unfit> {
        if !(1..=WIDTH_MAX).contains(&ciphertexts.len()) {
            return Err(Unfit::Width(ciphertexts.len()));
        }
        let identity = G::identity();
        if ciphertexts.iter().any(|ciphertext| ciphertext.mask == identity || ciphertext.body == identity) {
            return Err(Unfit::Identity);
        }
        Ok(Self(ciphertexts))
    }

    #[must_use]
    pub fn ciphertexts(&self) -> &[Ciphertext<G>] {
        &self.0
    }

    /// Reads a row of a known width.
    pub fn read(reader: &mut Reader<'_>, width: usize) -> Result<Self, Malformed> {
        let ciphertext = |reader: &mut Reader<'_>| {
            Ok(Ciphertext { mask: reader.element::<G>()?, body: reader.element::<G>()? })
        };
        Ok(Self((0..width).map(|_| ciphertext(reader)).collect::<Result<_, Malformed>>()?))
    }

    /// Appends mask and body of each ciphertext.
    pub fn encode(&self, into: &mut Vec<u8>) {
        for Ciphertext { mask, body } in &self.0 {
            G::encode_element(mask, into);
            G::encode_element(body, into);
        }
    }
}

impl<G: Group> Rows<G> {
    /// Rows of one width, at least one.
    pub fn new(rows: &[Row<G>]) -> Result<Self, Unfit> {
        let width = rows.first().ok_or(Unfit::Empty)?.0.len();
        if let Some(other) = rows.iter().find(|row| row.0.len() != width) {
            return Err(Unfit::Uneven { expected: width, found: other.0.len() });
        }
        let column = |half: fn(&Ciphertext<G>) -> G::Element| {
            (0..width).map(|at| rows.iter().map(|row| half(&row.0[at])).collect()).collect()
        };
        Ok(Self::of_columns(column(|ciphertext| ciphertext.mask), column(|ciphertext| ciphertext.body)))
    }

    /// `masks[k][i]` and `bodies[k][i]` are the halves of row `i`'s ciphertext `k`.
    pub(crate) fn of_columns(masks: Vec<Vec<G::Element>>, bodies: Vec<Vec<G::Element>>) -> Self {
        let (width, count) = (masks.len(), masks[0].len());
        let mut elements = Vec::with_capacity(2 * width * count);
        for row in 0..count {
            for column in 0..width {
                elements.extend([masks[column][row], bodies[column][row]]);
            }
        }
        let mut encoded = Vec::with_capacity(8 + elements.len() * G::ELEMENT_BYTES);
        write_count(count, &mut encoded);
        write_count(width, &mut encoded);
        write_elements::<G>(&elements, &mut encoded);
        Self { masks, bodies, encoded }
    }

    #[must_use]
    pub fn width(&self) -> usize {
        self.masks.len()
    }

    /// How many rows there are: never none.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there are never none")]
    pub fn len(&self) -> usize {
        self.masks[0].len()
    }

    /// The masks, column by column.
    #[must_use]
    pub fn masks(&self) -> &[Vec<G::Element>] {
        &self.masks
    }

    /// The bodies, column by column.
    #[must_use]
    pub fn bodies(&self) -> &[Vec<G::Element>] {
        &self.bodies
    }

    /// The encoding, which is kept because making it anew costs as much as reading it.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// One row alone.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<Row<G>> {
        let halves = self.masks.iter().zip(&self.bodies);
        let ciphertexts = halves
            .map(|(masks, bodies)| Some(Ciphertext { mask: *masks.get(index)?, body: *bodies.get(index)? }));
        ciphertexts.collect::<Option<_>>().map(Row)
    }
}

impl<G: Group> Encoded for Rows<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.encoded);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.count(2 * G::ELEMENT_BYTES)?;
        let width = reader.number()?;
        let fits = (1..=WIDTH_MAX as u64).contains(&u64::from(width)) && count > 0;
        let width = usize::try_from(width).ok().filter(|_| fits).ok_or(Malformed::Count(width))?;
        let halves = count.checked_mul(2 * width).ok_or(Malformed::Short)?;
        let bytes = reader.bytes(halves.checked_mul(G::ELEMENT_BYTES).ok_or(Malformed::Short)?)?;
        let elements = Reader::new(bytes).elements::<G>(halves)?;
        let column = |at: usize| elements.iter().skip(at).step_by(2 * width).copied().collect();
        let columns: Vec<Vec<G::Element>> = (0..2 * width).into_par_iter().map(column).collect();
        let mut encoded = Vec::with_capacity(8 + bytes.len());
        write_count(count, &mut encoded);
        write_count(width, &mut encoded);
        encoded.extend_from_slice(bytes);
        let (mut masks, mut bodies) = (Vec::with_capacity(width), Vec::with_capacity(width));
        for (index, column) in columns.into_iter().enumerate() {
            if index % 2 == 0 { masks.push(column) } else { bodies.push(column) }
        }
        Ok(Self { masks, bodies, encoded })
    }
}

#[cfg(test)]
mod tests;
