//! Why something could not be done in a cluster, for whoever tried it. Owns which answers of the API server mean that
//! somebody may not: those are told with the verb and the resource that a role would have to name.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use kube::client::UpgradeConnectionError;
use tokio::time::timeout;

use super::client::ClientError;

/// For one answer of the API server.
const LIMIT: Duration = Duration::from_secs(10);

/// What is done to which resource, in the words of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Such as `create`.
    pub verb: &'static str,
    /// Such as `pods/portforward`, or `quarantines.kith.dev`.
    pub resource: &'static str,
    /// `None` where it is the cluster's.
    pub namespace: Option<String>,
}

impl Access {
    /// In a namespace.
    pub(crate) fn within(namespace: &str, verb: &'static str, resource: &'static str) -> Self {
        Self { verb, resource, namespace: Some(namespace.to_owned()) }
    }

    /// In the whole cluster.
    pub(crate) fn everywhere(verb: &'static str, resource: &'static str) -> Self {
        Self { verb, resource, namespace: None }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in the namespace {namespace}"),
            None => write!(f, " in the cluster"),
        }
    }
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no cluster to ask.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It does not answer.
    #[error(
        "the API server cannot be reached: {reason}; is the cluster up, and the kubeconfig the right one?"
    )]
    Unreachable {
        /// Why.
        reason: String,
    },
    /// Kubernetes does not know who asks.
    #[error("the API server does not accept the kubeconfig's credentials; sign in again")]
    Unauthenticated,
    /// This person may not.
    #[error("not permitted: you may not {access}; a role that allows it has to be bound to you")]
    NotPermitted {
        /// What.
        access: Access,
    },
    /// There is no control plane.
    #[error(
        "Kith is not installed in the namespace {namespace}; name its namespace with -n, or install it there"
    )]
    NotInstalled {
        /// Where it was looked for.
        namespace: String,
    },
    /// There is one, and it does not answer now.
    #[error(
        "no control plane in the namespace {namespace} is ready: {reason}; see: kith check -n {namespace}"
    )]
    NotReady {
        /// Where.
        namespace: String,
        /// Why, as far as Kubernetes says it.
        reason: String,
    },
    /// What was to be written is not accepted.
    #[error("the API server refuses it: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// Anything else.
    #[error("the API server cannot {access}: {reason}")]
    Failed {
        /// What was tried.
        access: Access,
        /// Why not.
        reason: String,
    },
}

impl ClusterError {
    /// What an error of the client means.
    pub(crate) fn of(access: &Access, error: kube::Error) -> Self {
        match status(&error) {
            Some(StatusCode::FORBIDDEN) if !is_by_webhook(&error) => {
                return Self::NotPermitted { access: access.clone() };
            }
            Some(StatusCode::UNAUTHORIZED) => return Self::Unauthenticated,
            _ => {}
        }
        match error {
            kube::Error::Api(status) if matches!(status.code, 400 | 403 | 409 | 422) => {
                Self::Refused { reason: status.message }
            }
            kube::Error::Api(status) => {
                let reason = format!("{} ({} {})", status.message, status.code, status.reason);
                Self::Failed { access: access.clone(), reason }
            }
            error @ (kube::Error::HyperError(_) | kube::Error::Service(_)) => {
                Self::Unreachable { reason: innermost(&error) }
            }
            kube::Error::Auth(_) => Self::Unauthenticated,
            other => Self::Failed { access: access.clone(), reason: innermost(&other) },
        }
    }
}

/// The answer to one question, or why there is none. One that takes too long is none.
pub(crate) async fn answer<T>(
    access: &Access,
    question: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ClusterError> {
    match timeout(LIMIT, question).await {
        Ok(answer) => answer.map_err(|error| ClusterError::of(access, error)),
        Err(_) => Err(ClusterError::Unreachable { reason: format!("no answer within {LIMIT:?}") }),
    }
}

/// What is done to an object that may be gone already: then there is nothing left to do.
pub(crate) fn unless_gone<T>(done: kube::Result<T>) -> kube::Result<()> {
    match done {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}

/// The HTTP status behind an error, where there is one.
fn status(error: &kube::Error) -> Option<StatusCode> {
    match error {
        kube::Error::Api(status) => StatusCode::from_u16(status.code).ok(),
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => Some(*status),
        _ => None,
    }
}

/// Admission refuses with the status of authorization; only its sentence names a webhook.
fn is_by_webhook(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.message.starts_with("admission webhook "))
}

/// What is wrong, of an error that only says where: its innermost cause.
pub fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str, reason: &str, code: u16) -> ClusterError {
        let status = kube::core::Status::failure(message, reason).with_code(code);
        ClusterError::of(
            &Access::within("kith", "create", "pods/portforward"),
            kube::Error::Api(Box::new(status)),
        )
    }

    #[test]
    fn who_may_not_is_told_the_verb_and_the_resource() {
        for error in [
            told("pods \"x\" is forbidden: User \"eve\" cannot create", "Forbidden", 403),
            ClusterError::of(
                &Access::within("kith", "create", "pods/portforward"),
                kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(StatusCode::FORBIDDEN)),
            ),
        ] {
            assert!(matches!(error, ClusterError::NotPermitted { .. }), "{error:?}");
            assert!(error.to_string().contains("create pods/portforward in the namespace kith"), "{error}");
        }
    }

    #[test]
    fn what_admission_refuses_is_no_question_of_rights() {
        let refused =
            told("admission webhook \"policies.kith.dev\" denied the request: no", "Forbidden", 403);
        assert!(
            matches!(&refused, ClusterError::Refused { reason } if reason.contains("denied the request"))
        );
        assert!(matches!(told("who are you", "Unauthorized", 401), ClusterError::Unauthenticated));
        assert!(matches!(told("it broke", "InternalError", 500), ClusterError::Failed { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_is_silent_is_unreachable_and_not_waited_for_without_end() {
        let access = Access::everywhere("list", "pods");
        let error = answer(&access, std::future::pending::<Result<(), kube::Error>>()).await.unwrap_err();
        assert!(matches!(error, ClusterError::Unreachable { .. }));
    }
}
