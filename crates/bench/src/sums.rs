//! Large sums of multiples: in pieces, as the proofs are checked, in buckets of ours, and with curve25519-dalek alone.

use std::hint::black_box;

use curve25519_dalek::{RistrettoPoint, traits::VartimeMultiscalarMul};
use mixnet::{Group, Ristretto, msm};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    ballot_check::rate,
    figures::{Figures, median},
};

const SIZES: [(usize, [&str; 4]); 4] = [
    (1000, ["pieces_1e3_us", "buckets_1e3_us", "dalek_1e3_us", "all_cores_1e3_us"]),
    (10_000, ["pieces_1e4_us", "buckets_1e4_us", "dalek_1e4_us", "all_cores_1e4_us"]),
    (100_000, ["pieces_1e5_us", "buckets_1e5_us", "dalek_1e5_us", "all_cores_1e5_us"]),
    (1_000_000, ["pieces_1e6_us", "buckets_1e6_us", "dalek_1e6_us", "all_cores_1e6_us"]),
];

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (sizes, runs) = if quick { (&SIZES[..3], 3) } else { (&SIZES[..], 5) };
    let most = sizes.iter().map(|(terms, _)| *terms).max().unwrap_or_default();
    let mut rng = StdRng::seed_from_u64(1);
    let step = Ristretto::mul_generator(&Ristretto::random_scalar(&mut rng));
    let elements = std::iter::successors(Some(step), |last| Some(last + step));
    let elements: Vec<_> = elements.take(most).collect();
    let scalars: Vec<_> = (0..most).map(|_| Ristretto::random_scalar(&mut rng)).collect();
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut figures = Figures::new("sums");
    for (terms, [pieces_key, buckets_key, dalek_key, all_key]) in sizes {
        let (scalars, elements) = (&scalars[..*terms], &elements[..*terms]);
        let [mut pieces, mut buckets, mut dalek, mut all]: [Vec<f64>; 4] = Default::default();
        for _ in 0..runs {
            pieces.push(each(*terms, || one_core.install(|| msm::sum::<Ristretto>(scalars, elements)))?);
            buckets.push(each(*terms, || {
                one_core.install(|| msm::sum_with_buckets::<Ristretto>(scalars, elements))
            })?);
            dalek.push(each(*terms, || RistrettoPoint::vartime_multiscalar_mul(scalars, elements))?);
            all.push(each(*terms, || msm::sum::<Ristretto>(scalars, elements))?);
        }
        figures.add(pieces_key, median(pieces), "a term, one core, in pieces");
        figures.add(buckets_key, median(buckets), "a term, one core, in wide buckets");
        figures.add(dalek_key, median(dalek), "a term, curve25519-dalek's own, one core");
        figures.add(all_key, median(all), "a term, how long it took on all cores");
    }
    Ok(figures)
}

/// Microseconds for each of so many terms.
fn each<T>(terms: usize, work: impl FnOnce() -> T) -> anyhow::Result<f64> {
    let per_s = rate(terms, || {
        black_box(work());
        Ok(())
    })?;
    Ok(1e6 / per_s)
}
