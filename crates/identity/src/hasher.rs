//! Argon2id on threads of its own, behind a bounded queue: a flood of passwords can fill the queue, and
//! nothing else.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    thread,
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHasher, Version,
    password_hash::phc::{PasswordHash, Salt},
};
use clock::Clock;
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Full, Group};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::{
    login_name::LoginName,
    password::{Password, PasswordError},
};

/// What one hash costs, and how many may wait. The costs are those OWASP and the draft of RFC 9106's
/// second choice come down to on small machines: 19 MiB, two passes.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HasherConfig {
    pub memory_kib: NonZeroU32,
    pub passes: NonZeroU32,
    /// Threads that hash; none means one a core.
    pub threads: Option<NonZeroUsize>,
    /// Passwords that may wait; more are refused at once.
    pub waiting_max: NonZeroUsize,
}

impl Default for HasherConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self {
            memory_kib: positive(19 * 1024),
            passes: positive(2),
            threads: None,
            waiting_max: NonZeroUsize::new(256).expect("256 is positive"),
        }
    }
}

/// Why a password was not hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HasherError {
    #[error("too many people are signing in with passwords right now; try again soon, or use a device key")]
    Busy,
    #[error("the parameters of Argon2 are out of range")]
    Parameters,
    #[error("a stored password verifier cannot be read")]
    Verifier,
    #[error("the password hasher has stopped")]
    Stopped,
}

impl From<HasherError> for Problem {
    fn from(error: HasherError) -> Self {
        match error {
            HasherError::Busy => Self::unavailable("identity/passwords-busy", error, Duration::from_secs(2)),
            HasherError::Parameters | HasherError::Verifier | HasherError::Stopped => Self::internal(&error),
        }
    }
}

/// Why a password was not chosen.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Hasher(#[from] HasherError),
}

impl From<ChoiceError> for Problem {
    fn from(error: ChoiceError) -> Self {
        match error {
            ChoiceError::Password(error) => error.into(),
            ChoiceError::Hasher(error) => error.into(),
        }
    }
}

/// A handle to the hashing threads; they end when the last handle is gone.
#[derive(Clone)]
pub struct Hasher(Arc<Pool>);

struct Pool {
    waiting: Arc<Group<Work>>,
    /// Passwords that may wait when one more is to be chosen: the other half is for those who sign in.
    choices_max: usize,
    argon2: Argon2<'static>,
    clock: Clock,
    /// A verifier of no password, so that an unknown name costs what a known one does.
    nobody: String,
}

type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// Argon2's memory, kept by each thread: taking 19 MiB from the system anew for each password would cost
/// a tenth of the hash.
type Memory = Vec<Block>;

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the costs are out of Argon2's range.
    pub fn start(config: &HasherConfig, clock: Clock) -> Result<Self, HasherError> {
        let params = Params::new(config.memory_kib.get(), config.passes.get(), 1, None);
        let argon2 =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(|_| HasherError::Parameters)?);
        let waiting = Arc::new(Group::<Work>::new(config.waiting_max.get()));
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        for _ in 0..config.threads.map_or(cores, NonZeroUsize::get) {
            let waiting = Arc::clone(&waiting);
            let hashing = move || {
                give_way();
                let (mut batch, mut memory) = (Vec::new(), Memory::new());
                while waiting.take(&mut batch, 1) {
                    batch.drain(..).for_each(|work| work(&mut memory));
                }
            };
            let thread = thread::Builder::new().name("password-hasher".to_owned());
            drop(thread.spawn(hashing).map_err(|_| HasherError::Stopped)?);
        }
        let nobody = hash(&argon2, &clock, &clock.random::<32>())?;
        let choices_max = config.waiting_max.get().div_ceil(2);
        Ok(Self(Arc::new(Pool { waiting, choices_max, argon2, clock, nobody })))
    }

    /// A verifier for a password that the person of this name chooses, in the PHC string format.
    ///
    /// # Errors
    /// When it may not be chosen; [`HasherError::Busy`] at once when too many wait.
    pub async fn choose(
        &self,
        password: Password,
        name: LoginName,
    ) -> Result<Zeroizing<String>, ChoiceError> {
        if self.waiting() >= self.0.choices_max {
            return Err(HasherError::Busy.into());
        }
        let (argon2, clock) = (self.0.argon2.clone(), self.0.clock.clone());
        let chosen = self.run(move |_| {
            password.check_choice(&name)?;
            Ok(hash(&argon2, &clock, password.as_bytes()).map(Zeroizing::new)?)
        });
        chosen.await?
    }

    /// Is this the password that the verifier was made for? Without a verifier the answer is no, and takes
    /// as long.
    ///
    /// # Errors
    /// [`HasherError::Busy`] at once when too many wait.
    pub async fn verify(
        &self,
        password: Password,
        verifier: Option<Zeroizing<String>>,
    ) -> Result<bool, HasherError> {
        let known = verifier.is_some();
        let verifier = verifier.unwrap_or_else(|| Zeroizing::new(self.0.nobody.clone()));
        Ok(self.run(move |memory| matches(password.as_bytes(), &verifier, memory)).await?? && known)
    }

    /// How many passwords wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.len()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, HasherError> {
        let (answer, answered) = oneshot::channel();
        // Whoever asked may have gone away meanwhile.
        let work: Work = Box::new(move |memory| drop(answer.send(work(memory))));
        self.0.waiting.join(work).map_err(|full| match full {
            Full::Crowded(_) => HasherError::Busy,
            Full::Closed(_) => HasherError::Stopped,
        })?;
        answered.await.map_err(|_| HasherError::Stopped)
    }
}

fn hash(argon2: &Argon2<'_>, clock: &Clock, password: &[u8]) -> Result<String, HasherError> {
    let salt: [u8; 16] = clock.random();
    let salt = Salt::new(&salt).map_err(|_| HasherError::Parameters)?;
    let hashed = argon2.hash_password_with_salt(password, &salt).map_err(|_| HasherError::Parameters)?;
    Ok(hashed.to_string())
}

/// Is this the password that the verifier was made for? The verifier says what its hash cost, so that
/// those made before a change of costs still hold.
fn matches(password: &[u8], verifier: &str, memory: &mut Memory) -> Result<bool, HasherError> {
    let verifier = PasswordHash::new(verifier).map_err(|_| HasherError::Verifier)?;
    let params = Params::try_from(&verifier).map_err(|_| HasherError::Verifier)?;
    let (Some(salt), Some(expected)) = (&verifier.salt, &verifier.hash) else {
        return Err(HasherError::Verifier);
    };
    if verifier.algorithm != Algorithm::Argon2id.ident() {
        return Err(HasherError::Verifier);
    }
    memory.resize(params.block_count().max(memory.len()), Block::default());
    let mut hashed = Zeroizing::new(vec![0; expected.len()]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, &mut hashed, memory)
        .map_err(|_| HasherError::Verifier)?;
    Ok(hashed.ct_eq(expected.as_bytes()).into())
}

/// Lets the threads that serve go first.
fn give_way() {
    if let Err(error) = rustix::process::nice(10) {
        tracing::warn!(code = "identity/hasher-not-nice", %error, "password hashing runs at full priority");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.waiting.close();
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_of_any_cost_holds_for_its_password_alone() {
        let mut memory = Memory::new();
        for (memory_kib, passes) in [(64, 1), (32, 2), (128, 1)] {
            let params = Params::new(memory_kib, passes, 1, None).expect("they are in range");
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let verifier = hash(&argon2, &Clock::System, b"kelp").expect("it hashes");
            assert_eq!(matches(b"kelp", &verifier, &mut memory), Ok(true));
            assert_eq!(matches(b"storm", &verifier, &mut memory), Ok(false));
        }
    }

    #[test]
    fn what_is_no_verifier_is_called_so() {
        for text in ["", "kelp", "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA"] {
            assert_eq!(matches(b"kelp", text, &mut Memory::new()), Err(HasherError::Verifier), "{text}");
        }
    }
}
