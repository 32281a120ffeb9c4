//! Putting together what enough trustees decrypted.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{Fault, Offence, PartialDecryption, TrusteeKeys, polynomial::coefficients_at_zero};
use crate::{elgamal::Rows, group::Group};

/// What the rows say, and who did not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combined<G: Group> {
    /// The elements of each row.
    pub messages: Vec<Vec<G::Element>>,
    /// Trustees whose part was wrong: it was left out.
    pub faults: Vec<Fault>,
    /// Trustees whose part is not there.
    pub missing: Vec<u16>,
}

/// Too few parts hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{held} trustees decrypted and {needed} are needed; missing: {missing:?}, wrong: {faults:?}")]
pub struct TooFew {
    pub held: usize,
    pub needed: u16,
    pub faults: Vec<Fault>,
    pub missing: Vec<u16>,
}

/// Decrypts rows with those parts that verify: the first ones that are enough, by their trustees' numbers. Which of
/// them are used makes no difference to what comes out.
pub fn combine<G: Group>(
    keys: &TrusteeKeys<G>,
    context: &[u8],
    rows: &Rows<G>,
    partials: &[PartialDecryption<G>],
) -> Result<Combined<G>, TooFew> {
    let mut faults = Vec::new();
    let mut good: BTreeMap<u16, &PartialDecryption<G>> = BTreeMap::new();
    for partial in partials {
        match keys.verify(context, rows, partial) {
            Err(fault) => faults.push(fault),
            Ok(()) if good.insert(partial.trustee, partial).is_some() => {
                faults.push(Fault { trustee: partial.trustee, offence: Offence::Twice });
            }
            Ok(()) => {}
        }
    }
    let spoke = |trustee: &u16| partials.iter().any(|partial| partial.trustee == *trustee);
    let missing: Vec<u16> = keys.quorum.numbers().filter(|trustee| !spoke(trustee)).collect();
    let needed = keys.quorum.threshold();
    if good.len() < usize::from(needed) {
        return Err(TooFew { held: good.len(), needed, faults, missing });
    }
    let (trustees, parts): (Vec<u16>, Vec<_>) = good.into_iter().take(usize::from(needed)).unzip();
    let messages = decrypt(rows, &coefficients_at_zero::<G>(&trustees), &parts);
    Ok(Combined { messages, faults, missing })
}

fn decrypt<G: Group>(
    rows: &Rows<G>,
    coefficients: &[G::Scalar],
    parts: &[&PartialDecryption<G>],
) -> Vec<Vec<G::Element>> {
    let message = |row: usize, column: usize| {
        let factors: Vec<_> = parts.iter().map(|part| part.factors[column][row]).collect();
        rows.bodies()[column][row] - G::sum_of_few(coefficients, &factors)
    };
    let of_row = |row| (0..rows.width()).map(|column| message(row, column)).collect();
    (0..rows.len()).into_par_iter().map(of_row).collect()
}
