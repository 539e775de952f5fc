//! Random numbers, from the operating system by way of aws-lc. Owns the one decision that a process without
//! randomness does not go on (T8).

/// `N` random bytes.
///
/// # Panics
/// When the system has no randomness to give. Weak identifiers and weak jitter are worse than a restart.
#[allow(clippy::expect_used)]
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// A number in `[0, 1)`.
#[allow(clippy::cast_precision_loss)] // 53 bits fit a double exactly
pub(crate) fn fraction() -> f64 {
    let bits = u64::from_be_bytes(bytes()) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}
