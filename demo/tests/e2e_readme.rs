//! The README's code, run as it stands there.

mod support;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use support::world::{World, scenario, workspace};

/// The fenced blocks of one language, in their order.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    markdown
        .split(fence.as_str())
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()))
        .collect()
}

#[tokio::test]
async fn the_code_of_the_readme_runs_as_it_stands() -> Result<()> {
    scenario(async |world: &mut World| {
        let readme = std::fs::read_to_string(workspace().join("README.md"))?;
        let scripts = blocks(&readme, "js");
        let [page_script, worker_script] = scripts.as_slice() else {
            anyhow::bail!("the README has {} blocks of JavaScript", scripts.len());
        };

        // The worker's two lines are those of the demo's own worker.
        let worker = std::fs::read_to_string(workspace().join("demo/page/sw.js"))?;
        for line in worker_script.lines() {
            let code = line.split("//").next().unwrap_or_default();
            let code = code.rsplit_once(';').map_or(line, |(code, _)| code);
            ensure!(
                worker.contains(code.trim()),
                "the demo's worker has no line {code}"
            );
        }

        // An import statement cannot stand in a function; what it imports is the same.
        let (import, body) = page_script.split_once('\n').context("more than a line")?;
        ensure!(import == r#"import { open } from "longhaul";"#, "{import}");
        let page = world.browser.open("/blank.html").await?;
        let script = format!(
            r#"const {{ open }} = await import("/longhaul/index.js");
               {{ {body}
                 return [model.size, longhaul.constructor.name]; }}"#
        );
        let (size, class): (u64, String) = page.eval(&script, json!(null)).await?;
        ensure!(size == 98_362_432, "{size} bytes");
        ensure!(class == "Longhaul", "{class}");
        Ok(())
    })
    .await
}
