//! Key specs and key material: generation, signatures and their verification.

mod external_mu;
mod key_material;
mod key_spec;

pub(crate) use self::{
    key_material::{KeyMaterial, TypedMessage},
    key_spec::KeySpec,
};
