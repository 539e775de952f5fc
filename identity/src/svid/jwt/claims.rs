//! The claims of a token: JWT-SVID §3. Owns their form, and whether they hold for an audience at a time. Other claims
//! are the issuer's own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::JwtError;
use super::parts::Seen;
use crate::json::{Members, Value};
use crate::spiffe_id::SpiffeId;

/// The clocks of others may run ahead by this much; our own svids are backdated by the same. `exp` has no leeway.
const LEEWAY: Duration = Duration::from_secs(60);
/// A token for more is for everybody (JWT-SVID §6.2).
const MAX_AUDIENCES: usize = 64;
/// The last second of the year 9999. Beyond lie milliseconds that were taken for seconds.
const LAST_SECOND: u64 = 253_402_300_799;

/// What the claims say, as far as they can be read.
#[derive(Default)]
pub(crate) struct Claims {
    pub(crate) subject: Option<SpiffeId>,
    pub(crate) audiences: Vec<String>,
    pub(crate) expires_at: Option<SystemTime>,
    pub(crate) not_before: Option<SystemTime>,
    pub(crate) issued_at: Option<SystemTime>,
}

impl Claims {
    pub(crate) fn read(members: &Members) -> Seen<Self> {
        let mut broken = Vec::new();
        let subject = keep(&mut broken, subject(members));
        let audiences = keep(&mut broken, audiences(members));
        let mut time = |claim| keep(&mut broken, members.get(claim).map(|it| time(claim, it)).transpose());
        let (expires_at, not_before, issued_at) = (time("exp"), time("nbf"), time("iat"));
        if !members.contains_key("exp") {
            broken.push(JwtError::ExpiryMissing);
        }
        let value = Self {
            subject,
            audiences: audiences.unwrap_or_default(),
            expires_at: expires_at.flatten(),
            not_before: not_before.flatten(),
            issued_at: issued_at.flatten(),
        };
        Seen { value, broken }
    }

    /// Whether they hold for this audience, now.
    pub(crate) fn check(&self, audience: &str, now: SystemTime) -> Result<(), JwtError> {
        if audience.is_empty() {
            return Err(JwtError::NobodyAsks);
        }
        if !self.audiences.iter().any(|it| it == audience) {
            return Err(JwtError::OtherAudience);
        }
        // RFC 7519 §4.1.4: now must be before it.
        if self.expires_at.is_none_or(|expires_at| expires_at <= now) {
            return Err(JwtError::Expired);
        }
        let too_early = |time: SystemTime| time.duration_since(now).is_ok_and(|ahead| ahead > LEEWAY);
        for (claim, time) in [("nbf", self.not_before), ("iat", self.issued_at)] {
            if time.is_some_and(too_early) {
                return Err(JwtError::NotYet { claim });
            }
        }
        Ok(())
    }
}

fn keep<T>(broken: &mut Vec<JwtError>, read: Result<T, JwtError>) -> Option<T> {
    read.map_err(|error| broken.push(error)).ok()
}

fn subject(members: &Members) -> Result<SpiffeId, JwtError> {
    let text = members.get("sub").and_then(|value| value.text().ok()).ok_or(JwtError::SubjectMissing)?;
    let subject = SpiffeId::parse(text).map_err(JwtError::Subject)?;
    if subject.path().is_empty() { Err(JwtError::SubjectPath) } else { Ok(subject) }
}

/// RFC 7519 §4.1.3: text, or an array of text.
fn audiences(members: &Members) -> Result<Vec<String>, JwtError> {
    let value = members.get("aud").ok_or(JwtError::AudienceMissing)?;
    if let Ok(one) = value.text() {
        return Ok(vec![one.to_owned()]);
    }
    let malformed = JwtError::Audience { offset: value.offset() };
    let several = value.array().map_err(|_| malformed.clone())?;
    if several.is_empty() {
        return Err(JwtError::AudienceMissing);
    }
    if several.len() > MAX_AUDIENCES {
        return Err(JwtError::TooManyAudiences { count: several.len(), limit: MAX_AUDIENCES });
    }
    several.iter().map(|one| one.text().map(str::to_owned).map_err(|_| malformed.clone())).collect()
}

/// RFC 7519 §2, NumericDate: seconds since 1970, with a fraction or without. An exponent nobody writes, so it is
/// refused; of a fraction, nine digits count.
fn time(claim: &'static str, value: &Value) -> Result<SystemTime, JwtError> {
    let malformed = || JwtError::Time { claim, offset: value.offset() };
    let written = value.number().map_err(|_| malformed())?;
    let (seconds, fraction) = written.split_once('.').unwrap_or((written, "0"));
    let seconds: u64 = seconds.parse().map_err(|_| malformed())?;
    if seconds > LAST_SECOND || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed());
    }
    let nanoseconds: u32 = format!("{fraction:0<9.9}").parse().map_err(|_| malformed())?;
    Ok(UNIX_EPOCH + Duration::new(seconds, nanoseconds))
}
