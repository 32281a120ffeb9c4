//! `holdfast trustee`: a trustee's part of an election, from a machine of their own. Their keys never leave it.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use board::{CeremonyStep, Election, Hex, sha256};
use clap::Args;
use clock::Clock;
use ids::Id;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use trustee::{CeremonyView, Decrypted, Next, Safe, SaidView, TrusteeError, confirm, decrypt};
use verifier::{Prefix, Record};

use crate::{
    remote::{Refused, Remote},
    verify_election::fetch,
};

/// Bytes of a piece of what is uploaded.
const PIECE_BYTES: usize = 512 * 1024;

/// A trustee's part of the decryption, which takes long to make: made once.
struct Part {
    /// Of each list, with its hash.
    partials: Vec<(u32, Hex<32>, Vec<u8>)>,
    /// The server has it, and said that it is being checked.
    sent: bool,
}

impl Part {
    /// The body that names it.
    fn named(&self) -> Value {
        let named = self.partials.iter().map(|(list, hash, _)| json!({"list": list, "blob": hash}));
        json!({"partials": named.collect::<Vec<_>>()})
    }
}

/// Who keeps which key, and for what.
#[derive(Debug, Clone, Args)]
pub struct TrusteeOptions {
    /// The server, such as `https://vote.example.gov`.
    #[arg(long, value_name = "URL")]
    server: String,
    /// The election's identifier.
    #[arg(long, value_name = "ID")]
    election: Id<Election>,
    /// The file that holds this trustee's keys; made if it is not there. Keep it safe: it is not kept anywhere else.
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// The name to sign in with.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// The password to sign in with.
    #[arg(long, value_name = "PASSWORD", env = "HOLDFAST_PASSWORD", hide_env_values = true)]
    password: String,
    /// End when the key is made; come again for the decryption.
    #[arg(long)]
    until_ready: bool,
    /// The others' transport keys were compared with them: approve the key without asking.
    #[arg(long)]
    keys_compared: bool,
    /// Decrypt lists of fewer than 3 votes too, which tells how so few people voted.
    #[arg(long)]
    few: bool,
    /// How long is waited before the server is asked again, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5000)]
    poll_ms: u64,
}

/// Follows the election and does what is the trustee's to do, until there is nothing left.
///
/// # Errors
/// When the server cannot be reached, shows something that cannot be, or the key file cannot be used.
pub fn trustee(options: &TrusteeOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Keeper::begin(options)?.follow())
}

/// Would trying again change nothing?
fn is_final(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>().is_some_and(|refused| {
        (400..500).contains(&refused.status) && !matches!(refused.status, 401 | 404 | 429)
    });
    refused || error.downcast_ref::<TrusteeError>().is_some()
}

/// A trustee at work.
struct Keeper<'o> {
    options: &'o TrusteeOptions,
    remote: Remote,
    safe: Safe,
    rng: StdRng,
    part: Option<Part>,
    /// The key on the public board is the one that this trustee made.
    confirmed: bool,
    told: String,
}

impl<'o> Keeper<'o> {
    fn begin(options: &'o TrusteeOptions) -> anyhow::Result<Self> {
        Ok(Self {
            options,
            remote: Remote::new(&options.server)?,
            safe: Safe::open(&options.key_file, options.election)?,
            rng: StdRng::from_seed(Clock::System.random()),
            part: None,
            confirmed: false,
            told: String::new(),
        })
    }

    fn path(&self, what: &str) -> String {
        format!("/api/v1/elections/{}{what}", self.options.election)
    }

    /// Says something once.
    fn tell(&mut self, text: &str) {
        if self.told != text {
            crate::tell(&format!("holdfast trustee: {text}"));
            text.clone_into(&mut self.told);
        }
    }

    async fn sign_in(&mut self) -> anyhow::Result<()> {
        let body = json!({"userId": self.options.user, "credentials": self.options.password});
        let answer = self.remote.post("/api/v1/authenticate", &body).await?.ok("signing in")?.json()?;
        let token = answer["token"].as_str().context("the server gave no token")?;
        self.remote.with_token(token.to_owned());
        Ok(())
    }

    async fn follow(mut self) -> anyhow::Result<()> {
        self.sign_in().await?;
        loop {
            match self.look().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => self.tell(&format!("{error:#}; trying again")),
            }
            tokio::time::sleep(Duration::from_millis(self.options.poll_ms)).await;
        }
    }

    /// Looks how the election stands, and does what is to be done. Is that all?
    async fn look(&mut self) -> anyhow::Result<bool> {
        let said = self.remote.get(&self.path("")).await?;
        if said.status == 401 {
            self.sign_in().await?;
            return Ok(false);
        }
        let election = said.ok("the election")?.json()?;
        if let Some(keys) = election["board"]["keys"].as_array() {
            let keys: Vec<_> = keys.iter().filter_map(|key| key.as_str().map(str::to_owned)).collect();
            self.safe.board_keys(&keys).map_err(TrusteeError::from)?;
        }
        let state = election["state"].as_str().unwrap_or_default().to_owned();
        // Whoever decrypted nothing asks once more: the board may now say that they did.
        if matches!(state.as_str(), "counted" | "published") && self.safe.refuse_others_part().is_err() {
            self.confirmed = false;
        }
        match state.as_str() {
            "ceremony" => self.take_part().await?,
            "decrypting" if self.decrypt().await? => {
                self.tell("this trustee's part of the decryption holds; there is nothing left to do");
                return Ok(true);
            }
            "decrypting" => self.tell("this trustee's part of the decryption is being checked"),
            "draft" => self.tell("the election is draft; waiting"),
            "abandoned" => {
                self.tell("the election is abandoned; there is nothing left to do");
                return Ok(true);
            }
            _ if !self.confirm().await? => self.tell("waiting for the public board to show the key"),
            "counted" | "published" => {
                self.tell(&format!("the election is {state}; there is nothing left to do"));
                return Ok(true);
            }
            _ if self.options.until_ready => {
                self.tell("come again when the votes are to be decrypted");
                return Ok(true);
            }
            _ => self.tell(&format!("the election is {state}; waiting")),
        }
        Ok(false)
    }

    async fn take_part(&mut self) -> anyhow::Result<()> {
        let view = self.remote.get(&self.path("/ceremony")).await?.ok("the ceremony")?.json()?;
        let view: CeremonyView = serde_json::from_value(view).context("the ceremony cannot be read")?;
        match self.safe.next(&view, &mut self.rng)? {
            Next::Say { step, bytes } => {
                if step == CeremonyStep::Approval {
                    self.compare(&view)?;
                }
                let word = serde_json::to_value(step)?;
                let word = word.as_str().unwrap_or_default();
                let body = json!({"attempt": view.attempt, "bytes": STANDARD.encode(bytes)});
                let said = self.remote.post(&self.path(&format!("/ceremony/{word}")), &body).await?;
                // Somebody else may have ended the attempt meanwhile.
                if said.status != 409 {
                    said.ok("what this trustee said")?;
                }
                self.tell(&format!("said this trustee's {word}"));
            }
            Next::Wait => {
                self.tell("waiting for the others");
            }
            Next::Concluded => {
                self.confirm().await?;
            }
            Next::Void => self.tell("somebody broke the ceremony; waiting for the officers to begin anew"),
        }
        Ok(())
    }

    /// Shows all transport keys before the key is approved that is made with them: a server could have put keys of its own in
    /// the others' place, and nobody but the trustees can tell.
    fn compare(&mut self, view: &CeremonyView) -> anyhow::Result<()> {
        let key = |said: &SaidView| Some(format!("\n  {}: {}", said.name, said.transport_key?));
        let keys: String = view.said.iter().filter_map(key).collect();
        self.tell(&format!(
            "{} of the {} trustees will be enough to decrypt; their transport keys, to be compared with each of them:{keys}",
            view.threshold, view.trustees
        ));
        if self.options.keys_compared {
            return Ok(());
        }
        ensure!(
            std::io::stdin().is_terminal(),
            "nobody can be asked whether the keys are the others': compare them, and say --keys-compared"
        );
        crate::tell("Has each of the others told you this key, on the telephone or in person? Type yes:");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        ensure!(answer.trim() == "yes", "the key is not approved; tell the officers if a key is another one");
        Ok(())
    }

    /// Finds on the public board what this trustee said in the ceremony, and a key that they have a share of. Nothing, if the
    /// board has not come so far.
    ///
    /// What the server shows to trustees could be one ceremony, and what it shows to everybody else another one.
    async fn confirm(&mut self) -> anyhow::Result<bool> {
        if self.confirmed {
            return Ok(true);
        }
        let folder = tempfile::tempdir().context("cannot make a folder for the record")?;
        let record = self.record(folder.path()).await?;
        let Some(hash) = confirm(&mut self.safe, &record)? else { return Ok(false) };
        self.confirmed = true;
        self.tell(&format!(
            "the key on the public board is this trustee's and the others', and this trustee has their share; the election's hash \
             is {hash}: tell it to the other trustees and to the observers, who cannot know whose key it is otherwise"
        ));
        Ok(true)
    }

    /// Everything that was published, signed by the keys that this trustee saw first.
    async fn record(&self, folder: &Path) -> anyhow::Result<Record> {
        fetch(&self.remote, &self.options.election.to_string(), folder).await?;
        Ok(Record::open(folder, Some(self.safe.known_board_keys()))?)
    }

    /// Checks everything that was published, decrypts what it shows to have been mixed, and hands that in. Was it
    /// checked, and holds?
    async fn decrypt(&mut self) -> anyhow::Result<bool> {
        let shown = self.remote.get(&self.path("/decryption")).await?.ok("the decryption")?.json()?;
        let you = shown["you"].as_u64().context("you are no trustee here")?;
        let among = |whom: &str| {
            shown[whom].as_array().is_some_and(|whom| whom.iter().any(|one| one.as_u64() == Some(you)))
        };
        if among("decrypted") {
            self.safe.refuse_others_part()?;
            return self.confirm().await;
        }
        if among("checking") {
            self.safe.refuse_others_part()?;
            return Ok(false);
        }
        let part = match self.part.take() {
            Some(part) => part,
            None => {
                self.tell("checking everything that was published");
                let partials = self.partials().await?.into_iter();
                let partials = partials.map(|(list, bytes)| (list, sha256(&bytes), bytes)).collect();
                Part { partials, sent: false }
            }
        };
        if part.sent && among("lied") {
            return Err(TrusteeError::View("says that this part is false".to_owned()).into());
        }
        let part = self.part.insert(part).named();
        let path = self.path("/decryption");
        let mut said = self.remote.post(&path, &part).await?;
        if said.status == 404 {
            self.upload().await?;
            said = self.remote.post(&path, &part).await?;
        }
        // Others were enough already: the election goes on without this part.
        if said.status == 409 {
            return Ok(false);
        }
        let status = said.ok("this trustee's part of the decryption")?.status;
        self.part.iter_mut().for_each(|part| part.sent = true);
        Ok(status == 200)
    }

    /// Sends this trustee's part, piece by piece.
    async fn upload(&self) -> anyhow::Result<()> {
        let partials = self.part.iter().flat_map(|part| &part.partials);
        for (_, hash, bytes) in partials {
            for (piece, some) in bytes.chunks(PIECE_BYTES).enumerate() {
                let path = self.path(&format!("/blobs/{hash}/parts/{piece}"));
                let body = some.to_vec().into();
                self.remote.send("PUT", &path, "application/octet-stream", body).await?.ok("an upload")?;
            }
        }
        Ok(())
    }

    async fn partials(&mut self) -> anyhow::Result<Vec<(u32, Vec<u8>)>> {
        let folder = tempfile::tempdir().context("cannot make a folder for the record")?;
        // The newest checkpoint may be a moment behind.
        for _ in 0..60 {
            let record = self.record(folder.path()).await?;
            let decrypted = decrypt(&mut self.safe, &record, self.options.few, &mut self.rng)?;
            if let Some(Decrypted { prefix: Prefix { entries, root }, parts }) = decrypted {
                self.tell(&format!(
                    "decrypted what the board's first {entries} entries show to be mixed; their root is {root}: compare it \
                     with what the other trustees and observers see"
                ));
                self.confirmed = true;
                return Ok(parts);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        bail!("the server says that all is mixed, and its board does not show it")
    }
}
