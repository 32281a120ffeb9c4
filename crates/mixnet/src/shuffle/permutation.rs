//! What a mixer alone knows: the new order, and the scalars with which the rows were encrypted anew.

use rand_core::CryptoRng;
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    elgamal::{EncryptionKey, Rows, Secrets},
    generators::Generators,
    group::Group,
    msm::WideTable,
};

/// An order of so many rows: row `i` of the output comes from row `order[i]` of the input.
pub(super) struct Permutation(Vec<usize>);

pub(super) struct Witness<G: Group> {
    pub(super) permutation: Permutation,
    /// Column by column, in the output's order.
    pub(super) scalars: Vec<Secrets<G>>,
}

/// Multiples of what a mixer multiplies for every row.
pub(super) struct Tables<G: Group> {
    pub(super) base: WideTable<G>,
    pub(super) key: WideTable<G>,
    /// The first of the generators.
    pub(super) first: WideTable<G>,
}

impl<G: Group> Tables<G> {
    pub(super) fn new(key: &EncryptionKey<G>, generators: &Generators<G>) -> Self {
        let new = WideTable::new;
        Self { base: new(G::generator()), key: new(*key.element()), first: new(*generators.first()) }
    }
}

impl Permutation {
    /// Each order is as likely as any other (Fisher and Yates).
    pub(super) fn random(rows: usize, rng: &mut impl CryptoRng) -> Self {
        let mut order: Vec<usize> = (0..rows).collect();
        for last in (1..rows).rev() {
            order.swap(last, below(last + 1, rng));
        }
        Self(order)
    }

    #[cfg(test)]
    pub(super) const fn of(order: Vec<usize>) -> Self {
        Self(order)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// `values`, in the output's order.
    pub(super) fn apply<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.0.iter().map(|from| values[*from]).collect()
    }

    /// `values`, which are in the output's order, in the input's.
    pub(super) fn undo<T: Copy>(&self, values: &[T]) -> Vec<T> {
        let mut undone = values.to_vec();
        self.0.iter().zip(values).for_each(|(from, value)| undone[*from] = *value);
        undone
    }
}

impl Drop for Permutation {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// An integer below `bound`, each as likely as any other: draws beyond the last whole multiple are thrown away.
fn below(bound: usize, rng: &mut impl CryptoRng) -> usize {
    let bound = bound as u64;
    let beyond = u64::MAX - u64::MAX % bound;
    loop {
        let drawn = rng.next_u64();
        if drawn < beyond {
            return usize::try_from(drawn % bound).expect("below a number of rows");
        }
    }
}

/// Fresh scalars.
pub(super) fn random_scalars<G: Group>(count: usize, rng: &mut impl CryptoRng) -> Secrets<G> {
    Zeroizing::new((0..count).map(|_| G::random_scalar(rng)).collect())
}

impl<G: Group> Witness<G> {
    pub(super) fn random(rows: usize, width: usize, rng: &mut impl CryptoRng) -> Self {
        let permutation = Permutation::random(rows, rng);
        Self { permutation, scalars: (0..width).map(|_| random_scalars::<G>(rows, rng)).collect() }
    }

    /// The rows in their new order, encrypted anew.
    pub(super) fn apply(&self, tables: &Tables<G>, input: &Rows<G>) -> Rows<G> {
        let again = |columns: &[Vec<G::Element>], table: &WideTable<G>| {
            let pairs = columns.iter().zip(&self.scalars);
            let columns = pairs.map(|(column, scalars)| {
                let moved = self.permutation.apply(column).into_par_iter().zip(scalars.par_iter());
                moved.map(|(element, scalar)| element + table.mul(scalar)).collect()
            });
            columns.collect::<Vec<Vec<G::Element>>>()
        };
        let masks = again(input.masks(), &tables.base);
        let bodies = again(input.bodies(), &tables.key);
        Rows::of_columns(masks, bodies)
    }
}
