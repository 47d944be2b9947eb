//! Figures by row and side, and the table of their medians and ratios.

use std::collections::HashMap;
use std::fmt::Write;

/// The sides of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Plugin,
    Sdk,
}

/// What a row is to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    None,
    /// At most the SDK's figure divided by this.
    Fraction(f64),
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// Below the SDK's figure of another row.
    Below(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub name: &'static str,
    pub unit: &'static str,
    pub target: Target,
}

/// The rows, in the order in which they are shown.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    figures: HashMap<(&'static str, Side), Vec<f64>>,
}

impl Table {
    pub(crate) fn add(&mut self, row: Row, side: Side, figure: f64) {
        if self.rows.iter().all(|known| known.name != row.name) {
            self.rows.push(row);
        }
        self.figures.entry((row.name, side)).or_default().push(figure);
    }

    /// The medians in Markdown, and how many targets were missed.
    pub(crate) fn render(&self) -> (String, usize) {
        let mut text = String::from("| median | plugin | Python SDK | ratio | target | |\n|---|--:|--:|--:|--:|---|\n");
        let mut missed = 0;
        for row in &self.rows {
            let plugin = self.median(row.name, Side::Plugin);
            let sdk = self.median(row.name, Side::Sdk);
            let (target, met) = self.judge(row, plugin, sdk);
            missed += usize::from(met == Some(false));
            let met = met.map_or("", |met| if met { "met" } else { "**missed**" });
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {target} | {met} |",
                row.name,
                show(plugin, row.unit),
                show(sdk, row.unit),
                ratio(plugin, sdk)
            );
        }
        (text, missed)
    }

    fn judge(&self, row: &Row, plugin: Option<f64>, sdk: Option<f64>) -> (String, Option<bool>) {
        match row.target {
            Target::None => (String::new(), None),
            Target::Fraction(parts) => {
                (format!("≤ 1/{parts}"), plugin.zip(sdk).map(|(plugin, sdk)| plugin * parts <= sdk))
            }
            Target::AtMost(most) => (format!("≤ {most}"), plugin.map(|plugin| plugin <= most)),
            Target::AtLeast(least) => (format!("≥ {least}"), plugin.map(|plugin| plugin >= least)),
            Target::Below(other) => {
                let limit = self.median(other, Side::Sdk);
                (format!("< {}", show(limit, row.unit)), plugin.zip(limit).map(|(plugin, limit)| plugin < limit))
            }
        }
    }

    fn median(&self, row: &'static str, side: Side) -> Option<f64> {
        self.figures.get(&(row, side)).map(|figures| median(figures))
    }
}

/// The middle figure.
pub(crate) fn median(figures: &[f64]) -> f64 {
    percentile(figures, 0.5)
}

/// The value below which `share` of the figures lie.
pub(crate) fn percentile(figures: &[f64], share: f64) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a short list"
    )]
    let at = (figures.len().saturating_sub(1) as f64 * share).round() as usize;
    figures.get(at).copied().unwrap_or(f64::NAN)
}

fn ratio(plugin: Option<f64>, sdk: Option<f64>) -> String {
    match plugin.zip(sdk) {
        Some((plugin, sdk)) if plugin > 0.0 && sdk >= plugin => format!("1/{:.0}", sdk / plugin),
        Some((plugin, sdk)) if sdk > 0.0 => format!("{:.1}", plugin / sdk),
        _ => "–".to_owned(),
    }
}

/// A figure with about three digits.
pub(crate) fn show(figure: Option<f64>, unit: &str) -> String {
    let Some(figure) = figure else { return "–".to_owned() };
    let digits = if unit.is_empty() || figure >= 100.0 {
        0
    } else if figure >= 10.0 {
        1
    } else {
        2
    };
    format!("{figure:.digits$} {unit}").trim_end().to_owned()
}
