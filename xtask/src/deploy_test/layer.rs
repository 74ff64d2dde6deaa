//! Layers with configuration files.

use std::fs;

use serde_json::Value;

use super::deployment::Context;
use crate::error::Error;

/// Publishes a layer with these files, and those that the template ships in place of the others. Returns its ARN.
pub(super) fn publish(
    context: &Context<'_>,
    name: &str,
    files: &[(&str, &str)],
) -> Result<String, Error> {
    let folder = context.engine.folder().join("layers").join(name);
    let config = folder.join("config");
    fs::create_dir_all(&config).map_err(Error::file(&config))?;
    let shipped = context.workspace.path("layer/config");
    for file in fs::read_dir(&shipped).map_err(Error::file(&shipped))? {
        let file = file.map_err(Error::file(&shipped))?;
        fs::copy(file.path(), config.join(file.file_name())).map_err(Error::file(&file.path()))?;
    }
    for (file, content) in files {
        let file = config.join(file);
        fs::write(&file, content).map_err(Error::file(&file))?;
    }
    let python = context.workspace.command("python3")?.in_folder(&folder);
    python.args(["-m", "zipfile", "--create", "layer.zip", "config"]).run_quietly()?;
    let zip = format!("fileb://{}", folder.join("layer.zip").display());
    let publish = ["lambda", "publish-layer-version", "--layer-name", name, "--zip-file", &zip];
    let published = context.aws.call(&publish)?;
    let arn = published.get("LayerVersionArn").and_then(Value::as_str);
    arn.map(str::to_owned).ok_or_else(|| Error::Check("the layer was not published".into()))
}
