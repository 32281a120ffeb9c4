//! Mixes and decryptions, list by list.

use std::collections::{BTreeMap, BTreeSet};

use board::{
    BallotEntry, Counted, Decrypted, Hex, Lied, ListRows, Manifest, Mixed, decryption_context,
    generators_label, mix_context,
};
use mixnet::{
    Ballot, Encoded, Generators, Mix, PartialDecryption, Ristretto, Row, Rows, ShuffleProof, TrusteeKeys,
};

use crate::record::Record;

/// What goes from mixer to mixer, and then to the trustees.
pub(crate) struct Chain<'c> {
    pub(crate) record: &'c Record,
    pub(crate) manifest: &'c Manifest,
    pub(crate) hash: [u8; 32],
    pub(crate) keys: &'c TrusteeKeys<Ristretto>,
    /// What each list is now, and how often it was mixed. Lists without votes are not there.
    pub(crate) lists: BTreeMap<u32, (Rows<Ristretto>, u16)>,
    generators: Option<Generators<Ristretto>>,
    /// Parts that hold, by trustee and list.
    pub(crate) partials: BTreeMap<u16, BTreeMap<u32, PartialDecryption<Ristretto>>>,
    /// Trustees in whose names something was sent that is no part.
    pub(crate) lied: BTreeSet<u16>,
}

impl<'c> Chain<'c> {
    /// Begins with the votes that count, in the order of the board.
    pub(crate) fn begin(
        record: &'c Record,
        manifest: &'c Manifest,
        hash: [u8; 32],
        keys: &'c TrusteeKeys<Ristretto>,
        votes: &[&BallotEntry],
    ) -> Result<Self, String> {
        let numbers = manifest.lists();
        let mut lists = BTreeMap::new();
        for list in numbers.all() {
            let weight = manifest.issuers.get(numbers.weight(list)).map(|issuer| issuer.weight);
            let own = votes.iter().filter(|vote| Some(vote.weight) == weight);
            let rows: Result<Vec<Row<Ristretto>>, _> = own
                .filter_map(|vote| vote.ballots.get(numbers.contest(list)))
                .map(|ballot| Ok(Ballot::<Ristretto>::from_bytes(&ballot.0)?.row().clone()))
                .collect();
            let rows = rows.map_err(|error: mixnet::Malformed| error.to_string())?;
            if !rows.is_empty() {
                lists.insert(list, (Rows::new(&rows).map_err(|error| error.to_string())?, 0));
            }
        }
        let (generators, partials, lied) = (None, BTreeMap::new(), BTreeSet::new());
        Ok(Self { record, manifest, hash, keys, lists, generators, partials, lied })
    }

    fn blob(&self, hash: &Hex<32>) -> Result<Vec<u8>, String> {
        self.record.blob(hash).map_err(|error| error.to_string())
    }

    pub(crate) fn mixed(&mut self, mixed: &Mixed) -> Result<(), String> {
        let output = Rows::from_bytes(&self.blob(&mixed.output)?).map_err(|error| error.to_string())?;
        let proof = ShuffleProof::from_bytes(&self.blob(&mixed.proof)?).map_err(|error| error.to_string())?;
        let (input, times) = self.lists.get(&mixed.list).ok_or("a list is mixed that has no votes")?;
        if mixed.mixer != times + 1 || mixed.mixer > u16::from(self.manifest.mixers) {
            return Err("the mixers did not come one after the other".to_owned());
        }
        if input.len() != usize::try_from(mixed.rows).unwrap_or(usize::MAX) || output.len() != input.len() {
            return Err("a mixer put out another number of votes than went in".to_owned());
        }
        let enough = self.generators.as_ref().is_some_and(|known| known.rest().len() == input.len());
        if !enough {
            self.generators = Some(Generators::derive(&generators_label(&self.hash), input.len()));
        }
        let generators = self.generators.as_ref().ok_or("there are no generators")?;
        let context = mix_context(&self.hash, mixed.list, mixed.mixer);
        let mix = Mix { context: &context, key: self.keys.key(), generators, input };
        mix.verify(&output, &proof).map_err(|error| format!("mixer {}: {error}", mixed.mixer))?;
        self.lists.insert(mixed.list, (output, mixed.mixer));
        Ok(())
    }

    /// All is mixed, and these are the lists as the last mixer left them.
    pub(crate) fn decrypting(&self, lists: &[ListRows]) -> Result<(), String> {
        let mixers = u16::from(self.manifest.mixers);
        let numbers: BTreeSet<u32> = lists.iter().map(|list| list.list).collect();
        if numbers.len() != lists.len() {
            return Err("a list is to be decrypted twice".to_owned());
        }
        if lists.len() != self.lists.len() || self.lists.values().any(|(_, times)| *times != mixers) {
            return Err("not every list was mixed as often as it must be".to_owned());
        }
        for list in lists {
            let rows = self.lists.get(&list.list).map(|(rows, _)| rows);
            let same = rows.is_some_and(|rows| {
                board::sha256(rows.encoded()) == list.blob
                    && rows.len() == usize::try_from(list.rows).unwrap_or(usize::MAX)
            });
            if !same {
                return Err(format!("list {} is not what the last mixer put out", list.list));
            }
        }
        Ok(())
    }

    fn partial(
        &self,
        trustee: u16,
        list: u32,
        blob: &Hex<32>,
    ) -> Result<PartialDecryption<Ristretto>, String> {
        let partial = PartialDecryption::<Ristretto>::from_bytes(&self.blob(blob)?)
            .map_err(|error| error.to_string())?;
        if partial.trustee() != trustee {
            return Err("it is another trustee's part".to_owned());
        }
        let (rows, _) = self.lists.get(&list).ok_or("there is no such list")?;
        let context = decryption_context(&self.hash, list);
        self.keys.verify(&context, rows, &partial).map_err(|fault| fault.to_string())?;
        Ok(partial)
    }

    pub(crate) fn decrypted(&mut self, decrypted: &Decrypted) -> Result<(), String> {
        let mut parts = BTreeMap::new();
        for part in &decrypted.partials {
            parts.insert(part.list, self.partial(decrypted.trustee, part.list, &part.blob)?);
        }
        if parts.len() != self.lists.len() || decrypted.partials.len() != parts.len() {
            return Err("a trustee's part is not of every list".to_owned());
        }
        match self.partials.insert(decrypted.trustee, parts) {
            None => Ok(()),
            Some(_) => Err("a trustee decrypted twice".to_owned()),
        }
    }

    pub(crate) fn lied(&mut self, lied: &Lied) -> Result<(), String> {
        let Lied { trustee, partial, .. } = lied;
        if !self.trustees().contains(trustee) || !self.lists.contains_key(&partial.list) {
            return Err("somebody is said to have lied of whom or of what nothing was asked".to_owned());
        }
        // What nobody can look at is no proof of a lie.
        self.blob(&partial.blob)?;
        if self.partial(*trustee, partial.list, &partial.blob).is_ok() {
            return Err(format!("trustee {trustee} is said to have lied, and has not"));
        }
        if self.lied.insert(*trustee) {
            Ok(())
        } else {
            Err("a trustee is said to have lied twice".to_owned())
        }
    }

    fn trustees(&self) -> BTreeSet<u16> {
        let count = self.manifest.trustees.as_ref().map_or(0, |trustees| trustees.names.len());
        (1..=u16::try_from(count).unwrap_or(u16::MAX)).collect()
    }

    /// Does a count name rightly whose parts it used, who lied and of whom nothing came?
    pub(crate) fn check_named(&self, counted: &Counted) -> Result<(), String> {
        let once = |named: &[u16]| -> Result<BTreeSet<u16>, String> {
            let all: BTreeSet<u16> = named.iter().copied().collect();
            if all.len() == named.len() { Ok(all) } else { Err("the count names a trustee twice".to_owned()) }
        };
        once(&counted.decrypted_by)?;
        let decrypted: BTreeSet<u16> = self.partials.keys().copied().collect();
        let lied: BTreeSet<u16> = self.lied.difference(&decrypted).copied().collect();
        let silent = |trustee: &u16| !decrypted.contains(trustee) && !lied.contains(trustee);
        let absent: BTreeSet<u16> = self.trustees().into_iter().filter(silent).collect();
        if once(&counted.lied)? != lied || once(&counted.absent)? != absent {
            return Err(
                "the count names others as having lied, or been absent, than the board shows".to_owned()
            );
        }
        Ok(())
    }
}
