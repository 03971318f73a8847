//! Rows of figures, for people and for programs.

use serde_json::{Value, json};

/// One figure, and the bar it is held against if there is one.
struct Figure {
    what: String,
    found: f64,
    unit: &'static str,
    most: Option<f64>,
}

/// What one measurement brought.
pub struct Row {
    name: String,
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Row {
    /// Begins a row.
    pub fn new(name: impl Into<String>) -> Row {
        Row { name: name.into(), figures: Vec::new(), notes: Vec::new() }
    }

    /// A measurement that could not be made.
    pub fn failed(problem: &str) -> Row {
        let mut row = Row::new("not measured");
        row.note(problem);
        row
    }

    /// Adds a figure.
    pub fn figure(&mut self, what: impl Into<String>, found: f64, unit: &'static str) {
        self.figures.push(Figure { what: what.into(), found, unit, most: None });
    }

    /// Adds a figure that should not be larger than `most`.
    pub fn bar(&mut self, what: impl Into<String>, found: f64, unit: &'static str, most: f64) {
        self.figures.push(Figure { what: what.into(), found, unit, most: Some(most) });
    }

    /// Adds a remark.
    pub fn note(&mut self, words: impl Into<String>) {
        self.notes.push(words.into());
    }

    /// Prints the row as part of a table.
    pub fn print(&self) {
        println!("\n{}", self.name);
        for figure in &self.figures {
            let verdict = match figure.most {
                Some(most) if figure.found <= most => format!("bar {most}: met"),
                Some(most) => format!("bar {most}: MISSED"),
                None => String::new(),
            };
            println!("  {:<58} {:>12.3} {:<9} {verdict}", figure.what, figure.found, figure.unit);
        }
        for note in &self.notes {
            println!("  ({note})");
        }
    }

    fn json(&self) -> Value {
        let figures = self.figures.iter().map(|figure| {
            json!({
                "what": figure.what,
                "found": figure.found,
                "unit": figure.unit,
                "most": figure.most,
                "met": figure.most.map(|most| figure.found <= most),
            })
        });
        json!({ "row": self.name, "figures": figures.collect::<Vec<_>>(), "notes": self.notes })
    }
}

/// Returns all rows as JSON.
pub fn json(machine: &str, rows: &[Row]) -> String {
    let rows: Vec<Value> = rows.iter().map(Row::json).collect();
    json!({ "machine": machine, "rows": rows }).to_string()
}

/// Returns the middle one of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
