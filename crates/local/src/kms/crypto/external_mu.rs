//! ML-DSA signatures of a message representative µ that the caller has computed (FIPS 204, section 6.2).
//! AWS-LC, which makes all other signatures here, does not offer this.

use aws_lc_rs::signature::{self, PqdsaVerificationAlgorithm};
use ml_dsa::{MlDsa44, MlDsa65, MlDsa87, MlDsaParams, Signature, SigningKey};

/// A parameter set of ML-DSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterSet {
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

impl ParameterSet {
    pub(crate) fn verification_algorithm(self) -> &'static PqdsaVerificationAlgorithm {
        match self {
            Self::MlDsa44 => &signature::ML_DSA_44,
            Self::MlDsa65 => &signature::ML_DSA_65,
            Self::MlDsa87 => &signature::ML_DSA_87,
        }
    }
}

pub(crate) fn sign(set: ParameterSet, seed: &[u8; 32], mu: &[u8; 64]) -> Vec<u8> {
    fn with<P: MlDsaParams>(seed: &[u8; 32], mu: &[u8; 64]) -> Vec<u8> {
        let key = SigningKey::<P>::from_seed(&(*seed).into());
        key.expanded_key().sign_mu_deterministic(&(*mu).into()).encode().to_vec()
    }
    match set {
        ParameterSet::MlDsa44 => with::<MlDsa44>(seed, mu),
        ParameterSet::MlDsa65 => with::<MlDsa65>(seed, mu),
        ParameterSet::MlDsa87 => with::<MlDsa87>(seed, mu),
    }
}

pub(crate) fn verify(set: ParameterSet, seed: &[u8; 32], mu: &[u8; 64], signature: &[u8]) -> bool {
    fn with<P: MlDsaParams>(seed: &[u8; 32], mu: &[u8; 64], signature: &[u8]) -> bool {
        let key = SigningKey::<P>::from_seed(&(*seed).into());
        let signature = Signature::<P>::try_from(signature);
        let key = key.expanded_key().verifying_key();
        signature.is_ok_and(|signature| key.verify_mu(&(*mu).into(), &signature))
    }
    match set {
        ParameterSet::MlDsa44 => with::<MlDsa44>(seed, mu, signature),
        ParameterSet::MlDsa65 => with::<MlDsa65>(seed, mu, signature),
        ParameterSet::MlDsa87 => with::<MlDsa87>(seed, mu, signature),
    }
}
