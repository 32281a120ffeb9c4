//! How many encrypted ballots a second are read from their bytes and found to hold.

use anyhow::ensure;
use clock::Clock;
use mixnet::{
    Ballot, Caster, Contest, ContestFields, Encoded, EncryptionKey, Form, Group, Marks, Polling, Ristretto,
    verify_all,
};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;

use crate::figures::{Figures, median};

/// Ballots that wait for one another.
const TOGETHER: usize = 1000;

/// Casters are told apart by as many bytes as a public key has.
type Voter = [u8; 32];

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (ballots, runs) = if quick { (10_000, 3) } else { (50_000, 7) };
    let mut rng = StdRng::seed_from_u64(1);
    let key = EncryptionKey::<Ristretto>::new(Ristretto::mul_generator(&Ristretto::random_scalar(&mut rng)))?;
    let fields = ContestFields { form: Form::Plurality {}, options: 10, write_in_bytes_max: 0 };
    let contest = Contest::try_from(fields)?;
    let polling = Polling::new(&[1; 32], 1, contest.width(), key);
    let answer =
        contest.embed::<Ristretto>(&mixnet::Answer { marks: Marks::Plurality(Some(3)), write_in: None })?;
    let cast: Vec<(Voter, Vec<u8>)> = (0..ballots as u64)
        .into_par_iter()
        .map(|index| {
            let mut voter = [0; 32];
            voter[..8].copy_from_slice(&index.to_be_bytes());
            let ballot = polling.cast(caster(&voter), &answer, &mut StdRng::seed_from_u64(index));
            Ok((voter, ballot?.to_bytes()))
        })
        .collect::<anyhow::Result<_>>()?;
    let (mut together, mut with_bad, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        together.push(rate(cast.len(), || check(&polling, &cast, |_| false))?);
        // One bad ballot in each thousand: the worst a few liars can do.
        with_bad.push(rate(cast.len(), || check(&polling, &cast, |index| index == TOGETHER / 3))?);
        let few = &cast[..cast.len() / 10];
        alone.push(rate(few.len(), || {
            let held = |(voter, bytes): &(Voter, Vec<u8>)| {
                Ballot::from_bytes(bytes).is_ok_and(|ballot| polling.verify(caster(voter), &ballot).is_ok())
            };
            ensure!(few.par_iter().all(held), "an honest ballot was refused");
            Ok(())
        })?);
    }
    let mut figures = Figures::new("ballot-check");
    figures.add(
        "ballots_per_s",
        median(together),
        "one contest, read from bytes, checked by the thousand, all cores",
    );
    figures.add(
        "with_bad_per_s",
        median(with_bad),
        "the same with a bad one in each thousand, which is named",
    );
    figures.add("alone_per_s", median(alone), "each checked by itself, all cores");
    Ok(figures)
}

const fn caster(voter: &Voter) -> Caster<'_> {
    Caster { voter, token: b"token" }
}

/// Checks all ballots by the thousand; those at `spoil` among each thousand are checked as another's.
fn check(
    polling: &Polling<Ristretto>,
    cast: &[(Voter, Vec<u8>)],
    spoil: impl Fn(usize) -> bool + Sync,
) -> anyhow::Result<()> {
    let other = [0xff; 32];
    cast.par_chunks(TOGETHER).try_for_each(|cast| {
        let ballots: Result<Vec<_>, _> = cast.iter().map(|(_, bytes)| Ballot::from_bytes(bytes)).collect();
        let ballots = ballots?;
        let of = |(index, (voter, _)): (usize, &(Voter, Vec<u8>))| (index, *voter);
        let voters: Vec<Voter> = cast
            .iter()
            .enumerate()
            .map(of)
            .map(|(index, voter)| if spoil(index) { other } else { voter })
            .collect();
        let batch: Vec<_> =
            ballots.iter().zip(&voters).map(|(ballot, voter)| (polling, caster(voter), ballot)).collect();
        let expected = (0..cast.len()).filter(|index| spoil(*index)).count();
        ensure!(verify_all(&batch).len() == expected, "other ballots were refused than the bad ones");
        Ok(())
    })
}

/// How many of so many a second.
pub(crate) fn rate(count: usize, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let running = Clock::System.stopwatch();
    work()?;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = count as f64;
    Ok(count / running.elapsed().as_secs_f64())
}
