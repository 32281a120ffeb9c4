//! What a load would cost, by what was measured here.

use load::float;

use crate::{Cost, KneeResult, targets::grouped};

/// Of what a node can do, so much is used: the rest is for spikes, and for the node that fails.
const HEADROOM: f64 = 0.6;

/// Nodes and money a month for a load, by the highest rate that held of the journey that costs a node the most.
pub fn of(knees: &[KneeResult], load_per_s: f64, node_price: f64) -> Option<Cost> {
    let found = knees.iter().filter_map(|knee| knee.found_per_s);
    let measured =
        found.fold(None, |most: Option<f64>, found| Some(most.map_or(found, |most| most.max(found))))?;
    let needed = nodes(load_per_s, measured);
    // One more than is needed, so that one may fail.
    let nodes = needed + 1;
    let money = float(nodes) * node_price;
    let formula = format!(
        "ceil({} / ({} × {HEADROOM})) + 1 spare = {nodes} nodes; {nodes} × {node_price:.2} = {money:.2} a month",
        grouped(load_per_s),
        grouped(measured)
    );
    Some(Cost {
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

    #[test]
    fn nodes_are_as_many_as_the_formula_says() {
        let knee = |found| KneeResult {
            journey: "a".to_owned(),
            title: "A".to_owned(),
            found_per_s: found,
            at_least: false,
            p99_ms_max: 1.0,
            trials: Vec::new(),
        };
        let cost = of(&[knee(Some(50_000.0)), knee(None)], 1e6, 100.0).expect("a rate held");
        // 1,000,000 / 30,000 = 33.3, so 34, and one spare.
        assert_eq!((cost.nodes, cost.money_a_month), (35, 3500.0));
        assert!(of(&[knee(None)], 1e6, 100.0).is_none());
    }
}
