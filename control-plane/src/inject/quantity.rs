//! Amounts of a resource as Kubernetes writes them: `100m`, `0.5`, `64Mi`. Owns what is an amount and which is more.

use serde::Deserialize;

/// An amount, and how it was written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Quantity {
    text: String,
    /// In units of a billionth.
    amount: u128,
}

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no amount of a resource; write one such as 100m, 0.5 or 64Mi")]
pub struct NoQuantity(String);

/// YAML takes `1` for a number, and means the same.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Whole(u64),
    Broken(f64),
}

const BILLION: u128 = 1_000_000_000;
/// By suffix, in billionths. Longer suffixes come before those that they end with.
const UNITS: [(&str, u128); 16] = [
    ("Ki", BILLION << 10),
    ("Mi", BILLION << 20),
    ("Gi", BILLION << 30),
    ("Ti", BILLION << 40),
    ("Pi", BILLION << 50),
    ("Ei", BILLION << 60),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", BILLION * 1_000),
    ("M", BILLION * 1_000_000),
    ("G", BILLION * BILLION),
    ("T", BILLION * BILLION * 1_000),
    ("P", BILLION * BILLION * 1_000_000),
    ("E", BILLION * BILLION * BILLION),
    ("", BILLION),
];

impl Quantity {
    /// Parses what Kubernetes would take, but for signs and exponents, which nobody needs here.
    pub fn parse(text: &str) -> Result<Self, NoQuantity> {
        let wrong = || NoQuantity(text.chars().take(64).collect());
        let amount = amount(text).ok_or_else(wrong)?;
        Ok(Self { text: text.to_owned(), amount })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is none at all.
    pub fn is_zero(&self) -> bool {
        self.amount == 0
    }

    /// Whether it is more than the other.
    pub fn exceeds(&self, other: &Self) -> bool {
        self.amount > other.amount
    }

    /// Whether it is as much, however it is written: Kubernetes writes `0.1` as `100m`.
    pub fn equals(&self, other: &Self) -> bool {
        self.amount == other.amount
    }
}

fn amount(text: &str) -> Option<u128> {
    const MAX_DIGITS: usize = 15;
    let (number, unit) = UNITS.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let plain =
        !digits.is_empty() && digits.len() <= MAX_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    if !plain || number.ends_with('.') {
        return None;
    }
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some(digits.parse::<u128>().ok()?.checked_mul(unit)? / scale)
}

impl TryFrom<Written> for Quantity {
    type Error = NoQuantity;

    fn try_from(written: Written) -> Result<Self, NoQuantity> {
        match written {
            Written::Text(text) => Self::parse(&text),
            Written::Whole(number) => Self::parse(&number.to_string()),
            Written::Broken(number) => Self::parse(&number.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    #[test]
    fn amounts_compare_by_what_they_mean() {
        for (one, other) in
            [("0.1", "100m"), ("1024Mi", "1Gi"), ("1", "1000m"), ("1k", "1000"), (".5", "500m")]
        {
            assert!(quantity(one).equals(&quantity(other)), "{one} {other}");
        }
        assert!(quantity("1Gi").exceeds(&quantity("1G")) && !quantity("99m").exceeds(&quantity("0.1")));
        assert!(quantity("0").is_zero() && quantity("0Mi").is_zero() && !quantity("1n").is_zero());
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        // K8
        for text in [
            "",
            "m",
            "-1",
            "+1",
            "1 ",
            " 1",
            "1.",
            ".",
            "1.2.3",
            "1e3",
            "1mi",
            "1KB",
            "0x1",
            "1_000",
            "$(X)",
            "1\n",
            "1000000000000000",
            "99999999999999Ei",
            "--flag",
            "{{ }}",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text:?}");
        }
        assert!(serde_json::from_str::<Quantity>("1").unwrap().equals(&quantity("1")));
        assert!(serde_json::from_str::<Quantity>("0.5").unwrap().equals(&quantity("500m")));
        assert!(serde_json::from_str::<Quantity>("-1").is_err());
    }
}
