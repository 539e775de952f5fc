//! Which processes a group still has. The kernel tells nobody when the last one of a group ends, so the list of all
//! processes is read. Reads only: signals are sent by `child`.

use std::fs;
use std::io;

/// Whether a process of the group still runs. One that ended and was not waited for does not.
pub(super) fn is_alive(group: i32) -> io::Result<bool> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path().join("stat");
        // No process, or one that has ended since: its folder is empty then.
        let Ok(stat) = fs::read(path) else { continue };
        if runs_in(&String::from_utf8_lossy(&stat)) == Some(group) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The group of a process that runs, from its `stat`: `PID (NAME) STATE PARENT GROUP ...`. The name is the process's
/// own choice.
fn runs_in(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let (state, group) = (fields.next()?, fields.nth(1)?);
    if matches!(state, "Z" | "X") { None } else { group.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_runs_in_its_group_until_it_has_ended() {
        assert_eq!(runs_in("71 (sh) S 1 70 70 0 -1"), Some(70));
        assert_eq!(runs_in("71 (sh) Z 1 70 70 0 -1"), None);
        assert_eq!(runs_in(""), None);
    }

    #[test]
    fn a_process_cannot_choose_its_group_with_its_name() {
        assert_eq!(runs_in("71 (x) Z 1 9 () R 1 70 70 0 -1"), Some(70));
    }

    #[test]
    fn the_group_of_this_process_is_alive_and_one_that_cannot_be_is_not() {
        let own = nix::unistd::getpgrp().as_raw();
        assert!(is_alive(own).unwrap());
        assert!(!is_alive(i32::MAX).unwrap());
    }
}
