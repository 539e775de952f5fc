//! The redirect of a pod: the step that runs before every other container and sends the pod's TCP through its sidecar.
//!
//! Owns what is redirected (`script`), how the kernel is told (`nft`), and the proof that it holds before the pod
//! goes on. Knows nothing of policies, identities or the control plane, starts no runtime and opens no session: it is
//! linked into a program of its own, the only one that carries a capability.
//!
//! ```text
//! settings ──► script ──► listeners of the trial ──► nft, one transaction ──► rules read back ──► trial ──► done
//!                                                             └──── what fails here takes the rules away ◄──┘
//! ```

mod capability;
mod nft;
mod script;
mod settings;
mod trial;

use std::io::Write as _;
use std::net::IpAddr;

use kith_proto::pod::{self, Redirect};
use kith_runtime::Clock;
use tracing::info;

pub use capability::CapabilityError;
pub use nft::NftError;
pub use settings::{Args, SettingsError};
pub use trial::{Family, TrialError};

use nft::Nft;
use script::Script;
use trial::Trial;

/// Why a pod is not redirected, and so must not go on.
#[derive(Debug, thiserror::Error)]
pub enum RedirectError {
    /// What the injector wrote is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// This process may not change the pod's network.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// `nft` did not do it.
    #[error(transparent)]
    Nft(#[from] NftError),
    /// The kernel holds other rules than the ones that were written.
    #[error(
        "the rules read back are not the ones that were written: something else changes the nftables of this pod; \
         found {found:?}"
    )]
    Altered {
        /// What it holds.
        found: String,
    },
    /// A connection of the pod was not redirected.
    #[error("{family} is not redirected")]
    Unproven {
        /// Of which addresses.
        family: Family,
        /// What happened.
        source: TrialError,
    },
    /// It failed, and half of it may be in force.
    #[error("{failed}; and its rules could not be taken away")]
    LeftBehind {
        /// What failed first.
        failed: Box<Self>,
        /// What failed then.
        source: NftError,
    },
    /// Nobody reads what was to be shown.
    #[error("cannot print the rules")]
    Print(#[source] std::io::Error),
}

impl RedirectError {
    /// What the process ends with: 65 when its settings are wrong, so that nobody looks for the fault in the node.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) => 65,
            Self::Capability(_)
            | Self::Nft(_)
            | Self::Altered { .. }
            | Self::Unproven { .. }
            | Self::LeftBehind { .. }
            | Self::Print(_) => 1,
        }
    }
}

/// Does what the command line asks for: redirects, shows the rules, or takes them away.
pub fn run(args: &Args, clock: &Clock) -> Result<(), RedirectError> {
    if args.remove {
        Nft::permitted()?.run(script::REMOVE)?;
        info!("Redirect removed");
        return Ok(());
    }
    let redirect = args.redirect()?;
    let script = Script::new(&redirect);
    if args.print {
        return std::io::stdout().write_all(script.transaction().as_bytes()).map_err(RedirectError::Print);
    }
    let began = clock.now();
    let families = families(&args.pod_ips()?);
    apply(&script, &redirect, &families)?;
    // A clock that was set back meanwhile says nothing.
    let took = clock.now().duration_since(began).unwrap_or_default();
    info!(
        inbound = pod::INBOUND_PORT,
        outbound = pod::OUTBOUND_PORT,
        families = %listed(&families),
        skip_inbound = %listed(&redirect.skip_inbound),
        skip_outbound = %listed(&redirect.skip_outbound),
        quic = ?redirect.quic,
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "Redirected"
    );
    Ok(())
}

/// Writes the rules and proves them. What fails after they were written takes them away again: the pod does not go on,
/// and whoever looks at it finds nothing half done.
fn apply(script: &Script, redirect: &Redirect, families: &[Family]) -> Result<(), RedirectError> {
    // First, while nothing has changed: a port that is taken, or a capability that is missing, changes nothing.
    let nft = Nft::permitted()?;
    let trials = trials(redirect, families)?;
    nft.run(&script.transaction())?;
    prove(&nft, script, trials).map_err(|failed| match nft.run(script::REMOVE) {
        Ok(()) => failed,
        Err(source) => RedirectError::LeftBehind { failed: Box::new(failed), source },
    })
}

/// None when every port is left alone: then there is nothing to try.
fn trials(redirect: &Redirect, families: &[Family]) -> Result<Vec<Trial>, RedirectError> {
    let Some(port) = trial::redirected_port(&redirect.skip_outbound) else { return Ok(Vec::new()) };
    let prepared = families.iter().map(|&family| {
        Trial::prepare(family, port).map_err(|source| RedirectError::Unproven { family, source })
    });
    prepared.collect()
}

/// Inbound by reading the rules back, since nobody outside can be asked; outbound by a connection of each family.
fn prove(nft: &Nft, script: &Script, trials: Vec<Trial>) -> Result<(), RedirectError> {
    let found = nft.list()?;
    if !script.is(&found) {
        return Err(RedirectError::Altered { found });
    }
    trials.into_iter().try_for_each(|trial| {
        let family = trial.family();
        trial.run().map_err(|source| RedirectError::Unproven { family, source })
    })
}

/// The families that the pod has an address of. Both are redirected; these can be tried.
fn families(pod_ips: &[IpAddr]) -> Vec<Family> {
    let has = |family: Family| pod_ips.iter().any(|&ip| Family::of(ip) == family);
    [Family::V4, Family::V6].into_iter().filter(|&family| has(family)).collect()
}

fn listed<T: Clone>(items: &[T]) -> String
where
    String: From<T>,
{
    items.iter().cloned().map(String::from).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_injector_wrote_wrong_is_told_from_what_the_node_lacks() {
        assert_eq!(RedirectError::from(SettingsError::NoRedirect).exit_code(), 65);
        assert_eq!(RedirectError::from(CapabilityError::Missing).exit_code(), 1);
    }

    #[test]
    fn the_families_of_a_pod_are_those_of_its_addresses() {
        let of = |text| families(&pod::pod_ips(text).unwrap());
        assert_eq!(of("10.0.0.7"), [Family::V4]);
        assert_eq!(of("fd00::7"), [Family::V6]);
        assert_eq!(of("fd00::7,10.0.0.7"), [Family::V4, Family::V6]);
        // K11
        assert_eq!(of("::ffff:10.0.0.7"), [Family::V4]);
    }
}
