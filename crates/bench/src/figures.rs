//! What was measured, for people and for programs.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::machine;

/// The figures of one measurement.
#[derive(Debug)]
pub(crate) struct Figures {
    name: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    key: &'static str,
    value: f64,
    told: String,
}

impl Figures {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, rows: Vec::new() }
    }

    /// Adds a figure under its key, and what it means.
    pub(crate) fn add(&mut self, key: &'static str, value: f64, meaning: &str) {
        self.rows.push(Row { key, value, told: meaning.to_owned() });
    }

    /// Prints a table, and with `json` a last line for programs.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} on {}", self.name, machine::told())?;
        for Row { key, value, told } in &self.rows {
            writeln!(out, "  {key:<22} {:>14}  {told}", rounded(*value))?;
        }
        if json {
            let figures: Map<String, Value> =
                self.rows.iter().map(|row| (row.key.to_owned(), json!(row.value))).collect();
            writeln!(out, "{}", json!({"bench": self.name, "figures": figures, "machine": machine::told()}))?;
        }
        Ok(())
    }
}

fn rounded(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
