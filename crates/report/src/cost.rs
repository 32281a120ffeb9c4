//! What a load would cost, by what was measured here.

use load::float;

use crate::{Cost, KneeResult, targets::grouped};

/// Of what a node can do, so much is used: the rest is for spikes, and for the node that fails.
const HEADROOM: f64 = 0.6;

/// Nodes and money a month for a load, by the journey that costs a node the most: whoever buys for the cheapest one has too few when
/// people do something else. The rates are those of a target with `of_nodes` nodes.
///
/// # Errors
/// When no rate was found, or one journey held at none, and why: what that costs nobody knows.
pub fn of(
    knees: &[KneeResult],
    load_per_s: f64,
    node_price: f64,
    of_nodes: Option<u64>,
) -> Result<Cost, String> {
    let found = |knee: &KneeResult| {
        let why = || format!("nobody knows: no rate was found at which this holds: {}", knee.title);
        knee.found_per_s.ok_or_else(why)
    };
    let found: Vec<_> = knees.iter().map(|knee| Ok((knee, found(knee)?))).collect::<Result<_, String>>()?;
    let dearest = found.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let (dearest, measured) = dearest.ok_or("nobody knows: this run looked for no journey's highest rate")?;
    let of_nodes = of_nodes.ok_or(
        "nobody knows: how many nodes the target has was not said (--target-nodes), so what one of them bears is not known",
    )?;
    let needed = nodes(load_per_s, measured / float(of_nodes));
    // One more than is needed, so that one may fail.
    let nodes = needed + 1;
    let money = float(nodes) * node_price;
    let formula = format!(
        "ceil({} / ({} / {of_nodes} nodes × {HEADROOM})) + 1 spare = {nodes} nodes; {nodes} × {node_price:.2} = {money:.2} a month, if all of it is \
         the dearest of the {} journeys whose limit was looked for: {}",
        grouped(load_per_s),
        grouped(measured),
        knees.len(),
        dearest.title
    );
    Ok(Cost {
        load_per_s,
        measured_per_s: measured,
        headroom: HEADROOM,
        nodes,
        node_price,
        money_a_month: money,
        formula,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of nodes, bounded before"
)]
fn nodes(load: f64, measured: f64) -> u64 {
    (load / (measured * HEADROOM)).ceil().clamp(1.0, 1e9) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knee(title: &str, found_per_s: Option<f64>) -> KneeResult {
        KneeResult { title: title.to_owned(), found_per_s, ..KneeResult::default() }
    }

    #[test]
    fn nodes_are_as_many_as_the_formula_says() {
        let cost = of(&[knee("Ask", Some(50_000.0))], 1e6, 100.0, Some(1)).expect("a rate held");
        // 1,000,000 / 30,000 = 33.3, so 34, and one spare.
        assert_eq!((cost.nodes, cost.money_a_month), (35, 3500.0));
        // What ten nodes bear one does not; of how many nodes nobody knows what one bears.
        let of = |nodes| of(&[knee("Ask", Some(50_000.0))], 1e6, 100.0, nodes);
        let cost = of(Some(10)).expect("a rate held");
        assert!(cost.nodes == 335 && cost.formula.contains("50,000 / 10 nodes"), "{}", cost.formula);
        assert!(of(None).is_err_and(|why| why.contains("--target-nodes")));
    }

    #[test]
    fn the_dearest_journey_says_what_it_costs_and_one_that_never_held_that_nobody_knows() {
        let (cheap, dear) = (knee("Ask", Some(50_000.0)), knee("Sign in", Some(500.0)));
        for knees in [[cheap.clone(), dear.clone()], [dear, cheap.clone()]] {
            let cost = of(&knees, 1e6, 100.0, Some(1)).expect("both held");
            assert!(cost.measured_per_s < 501.0 && cost.nodes == 3335, "{}", cost.formula);
            assert!(cost.formula.contains("Sign in"), "{}", cost.formula);
        }
        let why = of(&[cheap, knee("Vote", None)], 1e6, 100.0, Some(1)).expect_err("one never held");
        assert!(why.contains("Vote"), "{why}");
        assert!(of(&[], 1e6, 100.0, Some(1)).is_err());
    }
}
