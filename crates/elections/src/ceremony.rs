//! The trustees' ceremony: what was said so far, what is waited for, and who lied. Everybody works out the same from
//! the board.

use authz::Actor;
use board::{Base64, CeremonyStep, Election, Said, TrusteeFault, ceremony_context};
use ids::Id;
use ledger::SubmitError;
use mixnet::{
    Ceremony, Complaint, Dealing, Encoded, Fault, Group, Opening, Quorum, Ristretto, SealedOpening,
    TrusteeKeys,
};
use problem::Problem;

use crate::{
    Elections,
    board_rows::{BoardState, SaidRow, VoidRow, kept},
    boards::Board,
    post::PostError,
    sql,
};

/// Where a ceremony stands.
#[derive(Debug)]
pub(crate) enum Standing {
    /// All are waited for who have not said this.
    Waiting(CeremonyStep),
    /// Somebody lied, or it can come to nothing.
    Void(Vec<TrusteeFault>),
    Concluded(Box<TrusteeKeys<Ristretto>>),
}

/// What was said in one attempt.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) attempt: u16,
    pub(crate) trustees: u16,
    pub(crate) threshold: u16,
    pub(crate) said: Vec<SaidRow>,
}

impl Spoken {
    /// What was said in the present attempt.
    pub(crate) async fn read(board: &Board) -> Result<Self, Problem> {
        let read = |snapshot: &store::Snapshot<'_>| {
            let BoardState { attempt, trustees, threshold, .. } = sql::board_state(snapshot)?;
            Ok(Self { attempt, trustees, threshold, said: sql::said(snapshot, attempt)? })
        };
        Ok(board.ledger.readers().read(read).await?)
    }

    /// What a trustee said at a step.
    pub(crate) fn by(&self, step: CeremonyStep, trustee: u16) -> Option<&[u8]> {
        let row = self.said.iter().find(|row| row.step == step as u8 && row.trustee == trustee)?;
        Some(&row.said)
    }

    /// What all said at a step, if all did.
    fn all<T>(
        &self,
        step: CeremonyStep,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Standing> {
        let mut all = Vec::new();
        for trustee in 1..=self.trustees {
            let Some(said) = self.by(step, trustee) else { return Ok(None) };
            let value = read(said).ok_or_else(|| {
                Standing::Void(vec![TrusteeFault {
                    trustee,
                    offence: "said what nobody can read".to_owned(),
                }])
            })?;
            all.push(value);
        }
        Ok(Some(all))
    }

    /// Where the ceremony stands.
    pub(crate) fn judge(&self, election: Id<Election>) -> Standing {
        self.outcome(election).unwrap_or_else(|standing| standing)
    }

    fn outcome(&self, election: Id<Election>) -> Result<Standing, Standing> {
        use CeremonyStep as Step;
        let waiting = Standing::Waiting;
        let nothing = || Standing::Void(Vec::new());
        let quorum = quorum(self.threshold, self.trustees).ok_or_else(nothing)?;
        let keys = self.all(Step::TransportKey, |said| Ristretto::decode_element(said).ok())?;
        let Some(keys) = keys else { return Ok(waiting(Step::TransportKey)) };
        let context = ceremony_context(election, self.attempt);
        let ceremony = Ceremony::<Ristretto>::new(&context, quorum, keys).map_err(|_| nothing())?;
        let sealed =
            self.all(Step::SealedOpening, |said| Some(SealedOpening::from_bytes(said.try_into().ok()?)))?;
        let Some(sealed) = sealed else { return Ok(waiting(Step::SealedOpening)) };
        let openings = self.all(Step::Opening, |said| Opening::from_bytes(said).ok())?;
        let Some(openings) = openings else { return Ok(waiting(Step::Opening)) };
        let openings = ceremony.check_openings(&sealed, openings).map_err(void)?;
        let dealings = self.all(Step::Dealing, |said| Dealing::from_bytes(said).ok())?;
        let Some(dealings) = dealings else { return Ok(waiting(Step::Dealing)) };
        let dealings = ceremony.check_dealings(dealings).map_err(void)?;
        let complaint = (1..=self.trustees).find_map(|trustee| self.by(Step::Complaint, trustee));
        if let Some(complaint) = complaint {
            let complaint = Complaint::from_bytes(complaint).map_err(|_| nothing())?;
            return Err(void(vec![ceremony.judge(&openings, &dealings, &complaint)]));
        }
        let Some(_) = self.all(Step::Approval, |_| Some(()))? else { return Ok(waiting(Step::Approval)) };
        let keys = ceremony.conclude(&openings).map_err(|_| nothing())?;
        Ok(Standing::Concluded(Box::new(keys)))
    }
}

/// So many of so many.
pub(crate) fn quorum(threshold: u16, trustees: u16) -> Option<Quorum> {
    if threshold == trustees {
        return Quorum::unanimous(trustees).ok();
    }
    Quorum::new(threshold, trustees).ok()
}

fn void(faults: Vec<Fault>) -> Standing {
    let fault = |fault: Fault| TrusteeFault { trustee: fault.trustee, offence: fault.offence.to_string() };
    Standing::Void(faults.into_iter().map(fault).collect())
}

/// Bytes of what a trustee says, at most: the shares for as many trustees as there can be are shorter.
const SAID_BYTES_MAX: usize = 16 * 1024;

/// Can this be said at this step at all?
fn check_form(step: CeremonyStep, trustee: u16, said: &[u8]) -> Result<(), Problem> {
    let fits = match step {
        CeremonyStep::TransportKey => Ristretto::decode_element(said).is_ok(),
        CeremonyStep::SealedOpening => said.len() == 64,
        CeremonyStep::Opening => Opening::<Ristretto>::from_bytes(said).is_ok(),
        CeremonyStep::Dealing => Dealing::<Ristretto>::from_bytes(said).is_ok(),
        CeremonyStep::Approval => said.is_empty(),
        // Who complains does so for themselves: dealer and accuser come first.
        CeremonyStep::Complaint => {
            Complaint::<Ristretto>::from_bytes(said).is_ok() && said.get(2..4) == Some(&trustee.to_be_bytes())
        }
    };
    if fits && said.len() <= SAID_BYTES_MAX {
        return Ok(());
    }
    let detail = "the bytes are not what this step wants (docs/elections-specification.md, section 8)";
    Err(Problem::unprocessable("elections/malformed", detail))
}

impl Elections {
    /// A trustee says their part.
    ///
    /// # Errors
    /// When they are no trustee, it is not their turn, or it cannot be read.
    pub(crate) async fn say(
        &self,
        actor: &Actor,
        election: Id<Election>,
        attempt: u16,
        step: CeremonyStep,
        said: Vec<u8>,
    ) -> Result<(), Problem> {
        let trustee = self.trustee(actor, election).await?;
        check_form(step, trustee, &said)?;
        let board = self.board(election).await?;
        if step == CeremonyStep::TransportKey {
            let spoken = Spoken::read(&board).await?;
            let others = (1..=spoken.trustees).filter(|other| *other != trustee);
            if others.filter_map(|other| spoken.by(step, other)).any(|other| *other == *said) {
                let detail = "another trustee has this transport key";
                return Err(Problem::unprocessable("elections/malformed", detail));
            }
        }
        let entry = Said { attempt, trustee, step, bytes: Base64(said) };
        match board.post(entry).await {
            Ok(_) | Err(SubmitError::Refused(PostError::AlreadyThere)) => {}
            Err(error) => return Err(error.into()),
        }
        self.look_after(election).await
    }

    /// The number of a trustee.
    ///
    /// # Errors
    /// When they are none of this election.
    pub(crate) async fn trustee(&self, actor: &Actor, election: Id<Election>) -> Result<u16, Problem> {
        let person = actor.by().person().ok_or(authz::Denied::Anonymous)?;
        let row = self.row(election).await?;
        row.trustee(person)?.ok_or_else(|| PostError::Stranger.into())
    }

    /// Who is to blame for attempts that failed.
    pub(crate) async fn faults(&self, board: &Board) -> Result<Vec<TrusteeFault>, Problem> {
        let read = |snapshot: &store::Snapshot<'_>| {
            let attempt = sql::board_state(snapshot)?.attempt;
            snapshot.get::<VoidRow>(&attempt)
        };
        let row = board.ledger.readers().read(read).await?;
        Ok(row.map_or(Ok(Vec::new()), |row| kept(&row.faults, "board_voids"))?)
    }
}
