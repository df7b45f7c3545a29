//! A folder whose whole contents are known: what differs is written, what does not belong is removed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace;

/// The files a folder should hold, by path below it (with slashes).
pub(crate) struct Folder {
    root: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    /// Nothing is touched before `write`.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            files: BTreeMap::new(),
        }
    }

    /// Adds a file; the last of one name wins.
    pub(crate) fn add(&mut self, path: String, bytes: Vec<u8>) {
        self.files.insert(path, bytes);
    }

    /// Makes the folder hold these files and no others. A file that is already right keeps its time, and no
    /// reader ever sees half of one.
    pub(crate) fn write(&self) -> Result<()> {
        for (path, bytes) in &self.files {
            let target = self.root.join(path);
            if fs::read(&target).is_ok_and(|there| there == *bytes) {
                continue;
            }
            replace(&target, bytes)
                .with_context(|| format!("{} cannot be written", workspace::shown(&target)))?;
        }
        self.remove_others(&self.root)
            .with_context(|| format!("{} cannot be tidied up", workspace::shown(&self.root)))
    }

    fn remove_others(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let relative = path
                .strip_prefix(&self.root)
                .expect("entries lie below the folder that was read")
                .to_string_lossy()
                .replace('\\', "/");
            if path.is_dir() {
                let prefix = format!("{relative}/");
                if self.files.keys().any(|file| file.starts_with(&prefix)) {
                    self.remove_others(&path)?;
                } else {
                    fs::remove_dir_all(&path)?;
                }
            } else if !self.files.contains_key(&relative) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// Writes beside the target and renames.
fn replace(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = target.parent().expect("a file has a folder");
    fs::create_dir_all(folder)?;
    let mut name = target.file_name().expect("a file has a name").to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = folder.join(name);
    fs::write(&beside, bytes)?;
    fs::rename(&beside, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_ends_up_holding_exactly_what_was_added() {
        let root =
            std::env::temp_dir().join(format!("longhaul-xtask-files-{}", std::process::id()));
        fs::create_dir_all(root.join("old/deep")).unwrap();
        fs::write(root.join("old/deep/a.js"), "old").unwrap();
        fs::write(root.join("b.js"), "old").unwrap();

        let mut folder = Folder::new(root.clone());
        folder.add("b.js".into(), b"new".to_vec());
        folder.add("deep/c.js".into(), b"c".to_vec());
        folder.write().unwrap();

        assert_eq!(fs::read(root.join("b.js")).unwrap(), b"new");
        assert_eq!(fs::read(root.join("deep/c.js")).unwrap(), b"c");
        let names: Vec<_> = fs::read_dir(&root)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
        fs::remove_dir_all(root).unwrap();
    }
}
