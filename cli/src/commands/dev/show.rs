//! What is shown of a mesh that runs, and what it means for the exit code that it ends.

use std::path::Path;

use super::view::View;
use crate::exit::Exit;
use crate::local::Supervisor;
use crate::local::story::{self, Story};
use crate::render::{self, Closed};

/// The calls as they happen, or the story of the demo.
pub(in crate::commands) enum Show {
    Live(View),
    Story(Box<Story>),
}

impl Show {
    pub(super) async fn run(&mut self, mesh: &Supervisor, policies: &Path) -> anyhow::Result<Exit> {
        match self {
            Self::Live(view) => view.follow(mesh).await.map(|()| Exit::Ok),
            Self::Story(story) => Ok(match story.tell(mesh, policies).await? {
                true => Exit::Ok,
                false if story.is_check() => Exit::Findings,
                false => Exit::Failed,
            }),
        }
    }

    /// How it ended by itself. A story whose reader went away was not told to its end.
    pub(super) fn ended(&self, ended: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
        match (ended, self) {
            (Err(error), Self::Story(_)) if error.is::<Closed>() => Ok(self.interrupted()),
            (ended, _) => ended,
        }
    }

    /// How it ends when somebody stops it: a mesh in order, a story with promises that nobody has seen held.
    pub(super) fn interrupted(&self) -> Exit {
        match self {
            Self::Live(_) => Exit::Ok,
            Self::Story(story) => {
                let (told, all) = (story.told(), story::PROMISES);
                render::report(&format!("stopped after {told} of {all} promises"));
                Exit::Failed
            }
        }
    }
}
