//! Text taken apart: into pieces to stream, words to compare, and a vector.

use std::collections::BTreeSet;

/// How many numbers a vector has unless the request says otherwise.
pub(super) const DIMENSIONS: usize = 256;
/// Letters of scripts that put no spaces between words start here.
const FIRST_IDEOGRAPH: char = '\u{2E80}';
/// Letters taken together when texts are compared.
const GRAM: usize = 3;

/// The pieces a text is streamed in: a word with the blanks before it, or one ideograph. Also how tokens are counted.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        let new_word = letter.is_whitespace() && !before.is_whitespace();
        if at > 0 && (new_word || letter >= FIRST_IDEOGRAPH || before >= FIRST_IDEOGRAPH) {
            starts.push(at);
        }
        before = letter;
    }
    starts.push(text.len());
    starts
        .windows(2)
        .filter_map(|ends| text.get(*ends.first()?..*ends.last()?))
        .filter(|piece| !piece.is_empty())
        .collect()
}

/// How many tokens a text is said to have.
pub(super) fn tokens(text: &str) -> usize {
    pieces(text).len()
}

/// The words of a text in lower case; an ideograph is a word.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let parts = lower.split(|letter: char| !letter.is_alphanumeric()).flat_map(pieces);
    parts.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// How well a document fits a query, from 0 to 1: mostly the share of the query's words it has, a little how alike
/// the two are letter by letter.
pub(super) fn relevance(query: &str, document: &str) -> f64 {
    let (asked, there) = (words(query), words(document));
    let shared = asked.intersection(&there).count();
    let alike: f64 = vector(query, DIMENSIONS).iter().zip(vector(document, DIMENSIONS)).map(|(a, b)| a * b).sum();
    rounded(0.9 * ratio(shared, asked.len()) + 0.1 * alike.clamp(0.0, 1.0))
}

/// A vector of length 1 in which similar texts lie close together: every three letters add to a place of their own.
pub(super) fn vector(text: &str, dimensions: usize) -> Vec<f64> {
    let padded: Vec<char> = format!(" {} ", text.to_lowercase()).chars().collect();
    let mut vector = vec![0.0; dimensions];
    for gram in padded.windows(GRAM) {
        let hash = hash(&gram.iter().collect::<String>());
        let place = usize::try_from(hash % dimensions.max(1) as u64).unwrap_or_default();
        if let Some(number) = vector.get_mut(place) {
            *number += 1.0;
        }
    }
    let length = vector.iter().map(|number: &f64| number * number).sum::<f64>().sqrt();
    if length > 0.0 {
        for number in &mut vector {
            *number = rounded(*number / length);
        }
    }
    vector
}

/// FNV-1a: the same on every machine.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn ratio(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 { 0.0 } else { number(part) / number(whole) }
}

fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
