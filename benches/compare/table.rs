//! Figures by row and side, and the table of their medians and ratios.

use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(String, &'static str)>,
    figures: BTreeMap<(String, &'static str), Vec<f64>>,
}

impl Table {
    pub(crate) fn add(&mut self, row: &str, unit: &'static str, side: &'static str, figure: f64) {
        if !self.rows.iter().any(|(name, _)| name == row) {
            self.rows.push((row.to_owned(), unit));
        }
        self.figures.entry((row.to_owned(), side)).or_default().push(figure);
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::from("| figure (median) | plugin | SDK | ratio |\n|---|---|---|---|\n");
        for (row, unit) in &self.rows {
            let plugin = self.median(row, "plugin");
            let sdk = self.median(row, "SDK");
            let ratio = match (plugin, sdk) {
                (Some(plugin), Some(sdk)) if plugin > 0.0 => format!("1/{:.1}", sdk / plugin),
                _ => "–".into(),
            };
            let _ = writeln!(text, "| {row} | {} | {} | {ratio} |", show(plugin, unit), show(sdk, unit));
        }
        text
    }

    fn median(&self, row: &str, side: &'static str) -> Option<f64> {
        let mut figures = self.figures.get(&(row.to_owned(), side))?.clone();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied()
    }
}

fn show(figure: Option<f64>, unit: &str) -> String {
    match figure {
        None => "–".into(),
        Some(figure) if figure >= 100.0 || unit.is_empty() => format!("{figure:.0} {unit}").trim().to_owned(),
        Some(figure) => format!("{figure:.2} {unit}"),
    }
}

/// The value below which `share` of the sorted figures lie.
pub(crate) fn percentile(figures: &mut [f64], share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let last = figures.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a short list"
    )]
    let at = (last as f64 * share).round() as usize;
    figures.get(at).copied().unwrap_or(f64::NAN)
}
