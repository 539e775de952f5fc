//! The one capability of the step, and that nobody else gets more than it: `nft` is run with CAP_NET_ADMIN alone,
//! whoever started this process and with whatever else.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set, set_capabilities,
    set_no_new_privs,
};

/// Why the pod's network cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum CapabilityError {
    /// This process does not have it.
    #[error(
        "no capability NET_ADMIN: Pod Security forbids it in this namespace, or the image lost the file capability of \
         kith-redirect; allow it for the namespace, or install with the redirect step as root"
    )]
    Missing,
    /// The kernel did not let it be kept.
    #[error("cannot {what}")]
    Kept {
        /// Which step failed.
        what: &'static str,
        /// How.
        source: Errno,
    },
}

/// Keeps CAP_NET_ADMIN and nothing else, for this process and for the program that it runs.
///
/// The file of this program carries the capability as permitted, not as effective: the kernel would refuse to start
/// one whose effective capability the container lacks, and nobody could say why.
pub(super) fn keep_net_admin_alone() -> Result<(), CapabilityError> {
    let failed = |what| move |source| CapabilityError::Kept { what, source };
    let only = CapabilitySet::NET_ADMIN;
    let held = capabilities(None).map_err(failed("read this process's capabilities"))?;
    if !held.permitted.contains(only) {
        return Err(CapabilityError::Missing);
    }
    // As root, a program that is started would have all that the container may have; not with this.
    set_no_new_privs(true).map_err(failed("give up new privileges"))?;
    let sets = CapabilitySets { effective: only, permitted: only, inheritable: only };
    set_capabilities(None, sets).map_err(failed("give up every capability but NET_ADMIN"))?;
    // A user who is not root passes on to a program only what is ambient.
    configure_capability_in_ambient_set(only, true).map_err(failed("pass NET_ADMIN on to nft"))
}
