//! A citizen's seat in a secret election.

use std::sync::Arc;

use anyhow::Context;
use board::Hex;
use clock::Clock;
use mixnet::{Answer, Marks};
use rand::{SeedableRng, rngs::StdRng};
use voter::{Booth, Submission, Voter};

/// What somebody votes with where votes are secret.
#[derive(Debug)]
pub struct Seat {
    pub booth: Arc<Booth>,
    pub voter: Voter,
    /// What they asked for their token with.
    pub blinded: Hex<32>,
    /// The option that they choose in each of their votes, so that it is known what has to be counted.
    pub option: u8,
}

impl Seat {
    /// A vote as it is sent: another one each time.
    ///
    /// # Errors
    /// When the election has no such option.
    pub fn vote(&self) -> anyhow::Result<Vec<u8>> {
        let answer = Answer { marks: Marks::Plurality(Some(self.option)), write_in: None };
        let mut dice = StdRng::from_seed(Clock::System.random());
        let minute = Clock::System.now().seconds() / 60;
        let sequence = u32::try_from(minute).unwrap_or(u32::MAX);
        let entry = self
            .voter
            .vote(&self.booth, &[answer], sequence, &mut dice)
            .context("this cannot be voted for")?;
        Ok(serde_json::to_vec(&Submission::of(self.booth.election(), entry))?)
    }
}
