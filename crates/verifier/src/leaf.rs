//! A leaf of a board taken apart: the exact bytes that its hash covers.

/// What every leaf begins with.
const LABEL: &[u8] = b"holdfast/entry/v1\n";

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf<'l> {
    pub index: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    pub command: &'l str,
    pub actor: &'l str,
    pub subject: &'l [u8],
    pub body: &'l [u8],
}

/// What was read is no leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no entry")]
pub struct LeafError;

fn take<'l>(bytes: &mut &'l [u8], count: usize) -> Result<&'l [u8], LeafError> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(LeafError)?;
    *bytes = rest;
    Ok(taken)
}

fn number(bytes: &mut &[u8]) -> Result<u64, LeafError> {
    let taken = take(bytes, 8)?;
    Ok(u64::from_be_bytes(taken.try_into().map_err(|_| LeafError)?))
}

fn part<'l>(bytes: &mut &'l [u8]) -> Result<&'l [u8], LeafError> {
    let length = take(bytes, 4)?;
    let length = u32::from_be_bytes(length.try_into().map_err(|_| LeafError)?);
    take(bytes, usize::try_from(length).map_err(|_| LeafError)?)
}

impl<'l> Leaf<'l> {
    /// Takes a leaf apart.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &'l [u8]) -> Result<Self, LeafError> {
        let mut rest = bytes.strip_prefix(LABEL).ok_or(LeafError)?;
        let (index, at_ms) = (number(&mut rest)?, number(&mut rest)?);
        let text = |part: &'l [u8]| std::str::from_utf8(part).map_err(|_| LeafError);
        let (command, actor) = (text(part(&mut rest)?)?, text(part(&mut rest)?)?);
        let (subject, salt) = (part(&mut rest)?, part(&mut rest)?);
        let (body, effect) = (part(&mut rest)?, part(&mut rest)?);
        if salt.len() != 16 || effect.len() != 32 || !rest.is_empty() {
            return Err(LeafError);
        }
        Ok(Self { index, at_ms, command, actor, subject, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Vec<u8> {
        let mut bytes = LABEL.to_vec();
        bytes.extend(7_u64.to_be_bytes());
        bytes.extend(60_000_u64.to_be_bytes());
        for part in [b"election/opened".as_slice(), b"service/elections", b"", &[1; 16], b"{}", &[2; 32]] {
            bytes.extend(u32::try_from(part.len()).expect("short").to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }

    #[test]
    fn a_leaf_is_taken_apart() {
        let bytes = leaf();
        let leaf = Leaf::read(&bytes).expect("it is one");
        assert_eq!(
            (leaf.index, leaf.at_ms, leaf.command, leaf.body),
            (7, 60_000, "election/opened", b"{}".as_slice())
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_a_leaf_or_refused(bytes: Vec<u8>, at in 0..200_usize, flip: u8) {
            let _ = Leaf::read(&bytes);
            let mut damaged = leaf();
            let at = at % damaged.len();
            damaged[at] ^= flip;
            let _ = Leaf::read(&damaged);
            let _ = Leaf::read(&[LABEL, &bytes].concat());
        }
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_none() {
        let bytes = leaf();
        assert!((0..bytes.len()).all(|end| Leaf::read(&bytes[..end]).is_err()));
        assert!(Leaf::read(&[bytes, vec![0]].concat()).is_err());
    }
}
