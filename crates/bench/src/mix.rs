//! What a shuffle with its proof costs, and what it costs to check, in processor time a ciphertext.
//!
//! Processor time, because it hardly changes when others are at work on the machine, and because both sides use as
//! many cores as there are.

use clock::Clock;
use mixnet::{Encoded, EncryptionKey, Generators, Group, Mix, Ristretto, Rows, ShuffleProof};
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;

use crate::{
    figures::{Figures, median},
    tally::Size,
};

pub(crate) fn run(quick: bool, size: Size) -> anyhow::Result<Figures> {
    let (rows, runs) = match size.ballots {
        Some(rows) => (rows, 1),
        None if quick => (10_000, 3),
        None => (100_000, 3),
    };
    let mut rng = StdRng::seed_from_u64(1);
    let key = EncryptionKey::<Ristretto>::new(Ristretto::mul_generator(&Ristretto::random_scalar(&mut rng)))?;
    let message = [Ristretto::embed(&[1; 30])];
    let encrypt = |number| {
        let mut rng = StdRng::seed_from_u64(number);
        key.encrypt(&message, &mut rng).map(|(row, _)| row)
    };
    let encrypted: Vec<_> = (0..rows as u64).into_par_iter().map(encrypt).collect::<Result<_, _>>()?;
    let input = Rows::new(&encrypted)?;
    let mut costs: [Vec<f64>; 5] = Default::default();
    let mut bytes = 0;
    for _ in 0..runs {
        let (generators, deriving, _) = cost(rows, || Generators::derive(b"bench", rows));
        let mix = Mix { context: b"bench", key: &key, generators: &generators, input: &input };
        let (shuffled, proving, wall) = cost(rows, || mix.shuffle(&mut rng));
        let (output, proof) = shuffled?;
        let (output, proof) = (output.to_bytes(), proof.to_bytes());
        bytes = output.len() + proof.len();
        let (verified, verifying, verifying_wall) = cost(rows, || {
            let (output, proof) = (Rows::from_bytes(&output)?, ShuffleProof::from_bytes(&proof)?);
            mix.verify(&output, &proof)?;
            anyhow::Ok(())
        });
        verified?;
        for (costs, cost) in costs.iter_mut().zip([proving, verifying, deriving, wall, verifying_wall]) {
            costs.push(cost);
        }
    }
    let [proving, verifying, deriving, wall, verifying_wall] = costs.map(median);
    let mut figures = Figures::new("mix");
    figures.add("prove_core_us", proving, "a ciphertext: shuffle and proof, processor time of all cores");
    figures.add(
        "verify_core_us",
        verifying,
        "a ciphertext: reading output and proof from bytes, and checking them",
    );
    figures.add("generators_core_us", deriving, "a row: deriving the generators, once for all mixers");
    figures.add("prove_wall_us", wall, "a ciphertext: how long shuffle and proof took");
    figures.add("verify_wall_us", verifying_wall, "a ciphertext: how long checking took");
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    figures.add("bytes", bytes as f64 / rows as f64, "a ciphertext: output and proof");
    Ok(figures)
}

/// Microseconds of processor and of wall time for each of so many.
fn cost<T>(count: usize, work: impl FnOnce() -> T) -> (T, f64, f64) {
    let (running, before) = (Clock::System.stopwatch(), processor_seconds());
    let done = work();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let each = 1e6 / count as f64;
    (done, (processor_seconds() - before) * each, running.elapsed().as_secs_f64() * each)
}

/// What all threads of this process have used, in user and kernel: two fields of proc(5)'s `stat`, in hundredths.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let used = after_name.split_whitespace().skip(11).take(2);
    used.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
