//! Ballots and answers from strangers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mixnet::{
    Ballot, Caster, Contest, ContestFields, Encoded, EncryptionKey, Form, Group, P256, Polling, Ristretto, verify_all,
};

fn read<G: Group>(bytes: &[u8]) {
    let Ok(ballot) = Ballot::<G>::from_bytes(bytes) else { return };
    assert_eq!(ballot.to_bytes(), bytes, "two encodings mean the same ballot");
    let key = EncryptionKey::new(G::generator()).expect("not the identity");
    let width = ballot.row().ciphertexts().len();
    let polling = Polling::new(&[0; 32], 0, width, key);
    let caster = Caster { voter: b"", token: b"" };
    let alone = polling.verify(caster, &ballot).is_ok();
    let together = verify_all(&[(&polling, caster, &ballot), (&polling, caster, &ballot)]).is_empty();
    assert_eq!(alone, together, "together and alone it is judged alike");
}

fuzz_target!(|input: (ContestInput, &[u8])| {
    let (contest, bytes) = input;
    read::<Ristretto>(bytes);
    read::<P256>(bytes);
    let (form, options, write_in_bytes_max, shared_ranks, most) = contest;
    let form = match form % 4 {
        0 => Form::Plurality {},
        1 => Form::Approval { approvals_max: most },
        2 => Form::Score { score_max: most },
        _ => Form::Ranked { ranks_max: most, shared_ranks },
    };
    let Ok(contest) = Contest::try_from(ContestFields { form, options, write_in_bytes_max }) else { return };
    if let Ok(answer) = contest.decode(bytes) {
        assert_eq!(contest.encode(&answer).as_deref(), Ok(bytes), "two encodings mean the same answer");
    }
});

/// Form, options, bytes to write in, shared ranks, and the most of whatever the form counts.
type ContestInput = (u8, u8, u8, bool, u8);
