//! The README's code, run as it stands there, and the same in the package's README.

mod support;

use anyhow::{Result, ensure};
use longhaul_demo::DEFAULT_MODEL;
use serde_json::json;

use support::readme::Readme;
use support::world::{World, scenario, workspace};

#[tokio::test]
async fn the_code_of_the_readme_runs_as_it_stands() -> Result<()> {
    scenario(async |world: &mut World| {
        let readme = Readme::of(&workspace())?;
        let url = format!(
            "{}/models/{}",
            world.server.second_origin(),
            DEFAULT_MODEL.file
        );
        let module = readme.get_model(&url, DEFAULT_MODEL.sha256)?;
        ensure!(module.contains(DEFAULT_MODEL.sha256), "{module}");

        // Neither an import nor an export can stand in a function; what they name is the same.
        let import = r#"import { open } from "longhaul";"#;
        ensure!(module.starts_with(import), "{module}");
        let function = module.replace(import, "").replace("export ", "");
        let page = world.browser.open("/blank.html").await?;
        let script = format!(
            r#"const {{ open }} = await import("/longhaul/index.js");
               {function}
               return (await getModel()).size"#
        );
        let size: u64 = page.eval(&script, json!(null)).await?;
        ensure!(size == DEFAULT_MODEL.bytes, "{size} bytes");
        Ok(())
    })
    .await
}

#[test]
fn the_demos_worker_has_the_readmes_lines() -> Result<()> {
    let readme = Readme::of(&workspace())?;
    let worker = std::fs::read_to_string(workspace().join("demo/page/sw.js"))?;
    let block = readme.block("js", "from \"longhaul/sw\"")?;
    for line in block.lines() {
        // The demo has no bundler that knows the package's name.
        let line = line.replace("\"longhaul/sw\"", "\"/longhaul/sw.js\"");
        let code = line.split("  //").next().unwrap_or_default().trim_end();
        ensure!(
            worker.contains(code),
            "the demo's worker has no line {code}"
        );
    }
    Ok(())
}

#[test]
fn the_packages_readme_begins_with_the_same_code() -> Result<()> {
    let main = "export async function getModel()";
    let ours = Readme::of(&workspace())?;
    let packed = Readme::of(&workspace().join("xtask/package"))?;
    ensure!(ours.block("js", main)? == packed.block("js", main)?);
    Ok(())
}
