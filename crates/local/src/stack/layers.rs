//! The layers of functions, which hold configuration files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{error::StackError, properties::property};
use crate::template::{Resolver, Template, TemplateError, text};

/// The folders of a template's layers, by the value that stands for the layer in `Layers`.
pub(super) struct Layers(BTreeMap<String, PathBuf>);

impl Layers {
    /// Reads the layers of a template that lies in `folder`.
    pub(super) fn of(
        template: &Template,
        resolver: &mut Resolver,
        folder: &Path,
    ) -> Result<Self, StackError> {
        let mut folders = BTreeMap::new();
        for (id, resource) in template.active_resources(LAYER_VERSION, resolver)? {
            let content = text(&resolver.resolve(property(resource, "/ContentUri")?)?);
            folders.insert(id.to_owned(), folder.join(content));
        }
        for id in folders.keys() {
            resolver.define(id, id.as_str().into());
        }
        Ok(Self(folders))
    }

    /// The folder that a function sees as `/opt`, if it has a layer.
    pub(super) fn of_function(
        &self,
        id: &str,
        resource: &Value,
        resolver: &Resolver,
    ) -> Result<Option<&Path>, StackError> {
        let Some(layers) = resource.pointer("/Properties/Layers") else { return Ok(None) };
        let layers = resolver.resolve(layers)?;
        match layers.as_array().map(Vec::as_slice) {
            Some([]) | None => Ok(None),
            Some([layer]) => match self.0.get(&text(layer)) {
                Some(folder) => Ok(Some(folder)),
                None => Err(TemplateError(format!(
                    "{id} has a layer that is not part of the template, and its files are not on this machine"
                ))
                .into()),
            },
            Some(_) => {
                Err(TemplateError(format!("{id} has more than one layer, which is not supported"))
                    .into())
            }
        }
    }
}

const LAYER_VERSION: &str = "AWS::Serverless::LayerVersion";
