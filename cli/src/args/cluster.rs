//! Which cluster is asked, and which installation in it. Owns where a kubeconfig is looked for.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

/// Where the chart's documentation installs Kith.
const DEFAULT_NAMESPACE: &str = "kith";

/// A cluster, and an installation in it.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig, instead of those that KUBECONFIG names, or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace that Kith is installed in (kith)
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// Files, separated by colons
    #[arg(long, env = "KUBECONFIG", hide = true, value_name = "FILES")]
    pub kubeconfigs: Option<OsString>,
    /// The folder of this user, which has the usual kubeconfig
    #[arg(long, env = "HOME", hide = true, value_name = "FOLDER")]
    pub home: Option<OsString>,
}

impl ClusterArgs {
    /// Whether a cluster was asked for, not only found.
    pub fn is_named(&self) -> bool {
        self.context.is_some() || self.kubeconfig.is_some() || self.namespace.is_some()
    }

    /// The namespace of the installation.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }

    /// The kubeconfigs, the first of which wins where they differ; none where there is none.
    pub fn files(&self) -> Vec<PathBuf> {
        if let Some(file) = &self.kubeconfig {
            return vec![file.clone()];
        }
        let named = self.kubeconfigs.iter().flat_map(env::split_paths);
        let named: Vec<_> = named.filter(|file| !file.as_os_str().is_empty()).collect();
        if named.is_empty() {
            return self.usual().into_iter().collect();
        }
        // As kubectl does: files in the list that are not there are passed over, but for one at least.
        let there: Vec<_> = named.iter().filter(|file| file.exists()).cloned().collect();
        if there.is_empty() { named } else { there }
    }

    fn usual(&self) -> Option<PathBuf> {
        let home = self.home.as_deref().filter(|home| !home.is_empty())?;
        let file = Path::new(home).join(".kube").join("config");
        file.is_file().then_some(file)
    }

    /// The flags that name the same installation again, for a hint.
    pub fn flags(&self) -> String {
        let mut flags = String::new();
        if let Some(context) = &self.context {
            flags.push_str(&format!(" --context {context}"));
        }
        if let Some(file) = &self.kubeconfig {
            flags.push_str(&format!(" --kubeconfig {}", file.display()));
        }
        if let Some(namespace) = &self.namespace {
            flags.push_str(&format!(" -n {namespace}"));
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn args() -> ClusterArgs {
        ClusterArgs { context: None, kubeconfig: None, namespace: None, kubeconfigs: None, home: None }
    }

    #[test]
    fn a_flag_comes_before_the_variable_and_that_before_the_usual_file() {
        let home = tempfile::tempdir().unwrap();
        let usual = home.path().join(".kube/config");
        let with_home = ClusterArgs { home: Some(home.path().into()), ..args() };
        assert!(with_home.files().is_empty(), "there is none");
        fs::create_dir(home.path().join(".kube")).unwrap();
        fs::write(&usual, "").unwrap();
        assert_eq!(with_home.files(), std::slice::from_ref(&usual));
        let empty = ClusterArgs { kubeconfigs: Some("".into()), ..with_home.clone() };
        assert_eq!(
            empty.files(),
            std::slice::from_ref(&usual),
            "a variable that is set to nothing names none"
        );

        let list = env::join_paths(["/nonexistent".as_ref(), usual.as_os_str()]).unwrap();
        let both = ClusterArgs { kubeconfigs: Some(list), ..with_home.clone() };
        assert_eq!(both.files(), [usual]);
        let none = ClusterArgs { kubeconfigs: Some("/nonexistent".into()), ..with_home };
        assert_eq!(none.files(), [PathBuf::from("/nonexistent")], "its error says that it is not there");
        let flag = ClusterArgs { kubeconfig: Some("/mine".into()), ..both };
        assert_eq!((flag.files(), flag.flags().as_str()), (vec!["/mine".into()], " --kubeconfig /mine"));
    }
}
