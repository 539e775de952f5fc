//! The name of a mesh that was given none: that of the folder it lies in, as far as a name can be made of it.

use std::path::Path;

/// The longest name of a mesh.
const MOST: usize = 40;
/// What a folder is called whose name leaves nothing over.
const NAMELESS: &str = "mesh";

/// A name of `[a-z0-9-]` that starts with a letter.
pub(super) fn of_folder(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    let name = match name.chars().next() {
        None => NAMELESS.to_owned(),
        Some(first) if first.is_ascii_digit() => format!("{NAMELESS}-{name}"),
        Some(_) => name,
    };
    name.chars().take(MOST).collect::<String>().trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::check_mesh_name;

    #[test]
    fn whatever_a_folder_is_called_its_mesh_has_a_name() {
        for (folder, want) in [
            ("/src/shop", "shop"),
            ("/src/My Shop (2)", "my-shop-2"),
            ("/src/2024_shop", "mesh-2024-shop"),
            ("/", "mesh"),
            ("/src/…", "mesh"),
            ("/src/größe", "gr-e"),
            ("/src/--a--", "a"),
        ] {
            assert_eq!(of_folder(Path::new(folder)), want, "{folder}");
        }
        for long in ["x".repeat(200), format!("{}-x", "y".repeat(39)), "9".repeat(99)] {
            assert_eq!(check_mesh_name(&of_folder(Path::new(&long))), Ok(()), "{long}");
        }
    }
}
