//! Contests, votes and the results that follow, for other implementations to be tried with: many are small, and full of
//! ties. The file is what is counted here, from a seed; with `HOLDFAST_VECTORS` set it is written anew.

use std::{env, fs, path::Path};

use board::{Choice, FormOf, Hex, Method, Question, Votes, count};
use mixnet::{Answer, Marks};
use serde_json::{Value, json};

const FILE: &str = "vectors/counts.json";
/// Cases of each kind; there is more to a ranking than to a mark.
const CASES_EACH: [u64; 2] = [14, 36];
const KINDS: [Method; 7] = [
    Method::Most,
    Method::Most,
    Method::Most,
    Method::InstantRunoff,
    Method::StvScottish,
    Method::StvMeek,
    Method::Schulze,
];
/// Names whose order differs between bytes and UTF-16, and one that an option has.
const NAMES: [&str; 5] = ["Zoe", "Zoë", "\u{ff5e}", "\u{1f600}", "a"];

/// SplitMix64: the same file from the same seed, whatever becomes of the crates that roll dice.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = u64::try_from(end).expect("small");
        usize::try_from((mixed ^ (mixed >> 31)) % end).expect("below the end")
    }

    fn small(&mut self, end: usize) -> u8 {
        u8::try_from(self.below(end)).expect("small")
    }

    fn one_of<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// The contest of a kind: three forms are counted alike.
fn question(dice: &mut Dice, kind: usize) -> Question {
    let method = KINDS[kind];
    let ranked = method != Method::Most;
    let options = 1 + dice.small(6) + u8::from(ranked);
    let write_in_bytes_max = if dice.below(3) == 0 { 12 } else { 0 };
    let places = options + u8::from(write_in_bytes_max > 0);
    let some = |dice: &mut Dice| 1 + dice.small(usize::from(places));
    let most = |dice: &mut Dice| if dice.below(4) == 0 { some(dice) } else { places };
    let form = match (kind, method) {
        (0, _) => FormOf::Plurality {},
        (1, _) => FormOf::Approval { approvals_max: some(dice) },
        (2, _) => FormOf::Score { score_max: dice.one_of(&[1, 3, 250]) },
        (_, Method::Schulze) => FormOf::Ranked { ranks_max: most(dice), shared_ranks: dice.below(2) == 0 },
        _ => FormOf::Ranked { ranks_max: most(dice), shared_ranks: false },
    };
    let several = matches!(method, Method::Most | Method::StvScottish | Method::StvMeek);
    let seats = u16::from(if several { 1 + dice.small(usize::from(places.min(4))) } else { 1 });
    let title = |text: String| [("en".to_owned(), text)].into();
    let option = |number| {
        let id = char::from(b'a' + number).to_string();
        Choice { title: title(id.to_uppercase()), option_id: id }
    };
    Question {
        contest_id: "x".to_owned(),
        title: title("X".to_owned()),
        form,
        count: method,
        seats,
        write_in_bytes_max,
        options: (0..options).map(option).collect(),
    }
}

fn answer(dice: &mut Dice, question: &Question) -> Answer {
    let places = question.options.len() + usize::from(question.write_in_bytes_max > 0);
    let mut order: Vec<usize> = (0..places).collect();
    (1..places).for_each(|place| order.swap(place, dice.below(place + 1)));
    let marks = match question.form {
        FormOf::Plurality {} => Marks::Plurality((dice.below(12) > 0).then(|| dice.small(places))),
        FormOf::Approval { approvals_max } => {
            let some = dice.below(usize::from(approvals_max) + 1);
            Marks::Approval((0..places).map(|place| order[..some].contains(&place)).collect())
        }
        FormOf::Score { score_max } => Marks::Score(
            order
                .iter()
                .map(|_| (dice.below(4) > 0).then(|| dice.small(usize::from(score_max) + 1)))
                .collect(),
        ),
        FormOf::Ranked { ranks_max, shared_ranks } => {
            let mut ranks = vec![None; places];
            let (mut rank, some) = (0, dice.below(places + 1));
            for place in &order[..some] {
                rank += u8::from(rank == 0 || !shared_ranks || dice.below(2) == 0);
                if rank > ranks_max {
                    break;
                }
                ranks[*place] = Some(rank);
            }
            Marks::Ranked(ranks)
        }
    };
    let last = match &marks {
        Marks::Plurality(marked) => *marked == Some(u8::try_from(places - 1).expect("few")),
        Marks::Approval(marks) => marks[places - 1],
        Marks::Score(marks) | Marks::Ranked(marks) => marks[places - 1].is_some(),
    };
    let named = last && question.write_in_bytes_max > 0;
    Answer { marks, write_in: named.then(|| dice.one_of(&NAMES).to_owned()) }
}

fn case(round: u64, kind: usize) -> Value {
    let seed = 1000 * round + kind as u64;
    let mut dice = Dice(seed);
    let question = question(&mut dice, kind);
    // Few different answers make many ties.
    let ranked = question.count != Method::Most;
    let different = 1 + dice.below(if ranked { 9 } else { 6 });
    let pool: Vec<_> = (0..different).map(|_| answer(&mut dice, &question)).collect();
    let weights: &[u32] = dice.one_of(&[&[1][..], &[1], &[3, 1], &[1, 1_000_000]]);
    let votes: Vec<(u32, Vec<Option<Answer>>)> = weights
        .iter()
        .map(|weight| {
            let count = dice.below(if ranked && *weight > 1 { 28 } else { 12 });
            let answers = (0..count).map(|_| (dice.below(20) > 0).then(|| dice.one_of(&pool)));
            (*weight, answers.collect())
        })
        .collect();
    let number = u32::try_from(dice.below(50)).expect("small");
    let mut drawn = [0; 32];
    drawn[..8].copy_from_slice(&seed.to_be_bytes());
    let given: Vec<_> = votes.iter().map(|(weight, answers)| Votes { weight: *weight, answers }).collect();
    let result = count(&question, number, &given, &drawn).expect("the answers are of the contest");
    let votes: Vec<_> =
        votes.iter().map(|(weight, answers)| json!({"weight": weight, "answers": answers})).collect();
    // A text, since its bytes are what counts, and its numbers are more than some readers of JSON hold.
    let result = serde_json::to_string(&result).expect("it has a JSON form");
    json!({"contest": question, "number": number, "seed": Hex(drawn), "votes": votes, "result": result})
}

#[test]
fn the_vectors_are_what_is_counted_here() {
    let all = KINDS.iter().enumerate().flat_map(|(kind, method)| {
        let cases = CASES_EACH[usize::from(*method != Method::Most)];
        (0..cases).map(move |round| case(round, kind).to_string())
    });
    let cases: Vec<String> = all.collect();
    let text = format!("[\n{}\n]\n", cases.join(",\n"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if env::var_os("HOLDFAST_VECTORS").is_some() {
        fs::write(&file, &text).expect("it can be written");
    }
    let committed = fs::read_to_string(&file).expect("it is there");
    assert!(committed == text, "{FILE} is not what is counted: set HOLDFAST_VECTORS to write it anew");
}
