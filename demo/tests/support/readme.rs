//! The code in a README.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A README, of the project or of the package.
pub(crate) struct Readme(String);

impl Readme {
    /// The README in a folder.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let text = fs::read_to_string(folder.join("README.md"))
            .with_context(|| format!("{} has no README.md", folder.display()))?;
        Ok(Self(text))
    }

    /// Every fenced block of this language, in their order.
    pub(crate) fn blocks(&self, language: &str) -> impl Iterator<Item = &str> {
        let fence = format!("```{language}\n");
        let rests: Vec<&str> = self.0.split(fence.as_str()).skip(1).collect();
        let blocks = rests.into_iter();
        blocks.filter_map(|rest| Some(rest.split_once("```")?.0))
    }

    /// The one fenced block of this language with `holding` in it.
    pub(crate) fn block(&self, language: &str, holding: &str) -> Result<&str> {
        let mut found = self
            .blocks(language)
            .filter(|block| block.contains(holding));
        let block = found
            .next()
            .with_context(|| format!("the README has no {language} with `{holding}`"))?;
        ensure!(
            found.next().is_none(),
            "the README has `{holding}` in two blocks of {language}"
        );
        Ok(block)
    }

    /// The one line of such a block with `holding` in it, without its comment.
    pub(crate) fn line(&self, language: &str, holding: &str) -> Result<&str> {
        let block = self.block(language, holding)?;
        let line = block.lines().find(|line| line.contains(holding));
        let line = line.context("it spans lines")?;
        Ok(line.split("  //").next().unwrap_or(line).trim())
    }

    /// The module that gets a model, for a file of a test's own.
    pub(crate) fn get_model(&self, url: &str, sha256: &str) -> Result<String> {
        let code = self.block("js", "export async function getModel()")?;
        let code = replaced(code, "url: \"", "\"", url)?;
        replaced(&code, "sha256: \"", "\"", sha256)
    }
}

/// Replaces what stands between `before` and `after`, which must be there once.
pub(crate) fn replaced(code: &str, before: &str, after: &str, by: &str) -> Result<String> {
    ensure!(
        code.matches(before).count() == 1,
        "`{before}` does not stand in this once:\n{code}"
    );
    let (head, rest) = code.split_once(before).expect("it is there");
    let (_, tail) = rest.split_once(after).context("it ends nowhere")?;
    Ok(format!("{head}{before}{by}{after}{tail}"))
}
