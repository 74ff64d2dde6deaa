//! The fingerprint of RSA keys with the ROCA weakness (CVE-2017-15361).
//!
//! Source: M. Nemec, M. Sys, P. Svenda, D. Klinec, V. Matyas, "The Return of Coppersmith's Attack: Practical
//! Factorization of Widely Used RSA Moduli", CCS 2017, section 2. The primes of a weak key are
//! `k * M + (65537^a mod M)`, where `M` is the product of the first primes. So the modulus is a power of 65537 modulo
//! each of these primes. About one in 2^27 other moduli is too.

/// Whether the big-endian modulus has the fingerprint.
pub(super) fn has_weakness(modulus: &[u8]) -> bool {
    PRIMES.into_iter().all(|prime| is_power_of_65537(remainder(modulus, prime), prime))
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |remainder, byte| (remainder << 8 | u32::from(*byte)) % divisor)
}

fn is_power_of_65537(value: u32, prime: u32) -> bool {
    let mut power = 1;
    loop {
        if power == value {
            return true;
        }
        power = power * (65_537 % prime) % prime;
        if power == 1 {
            return false;
        }
    }
}

/// The first odd primes. `M` has all of them for each length of a key.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        digest,
        rsa::{KeyPair, KeySize},
        signature::KeyPair as _,
    };

    use super::*;
    use crate::{KeyError, PublicKey, encoding::hex};

    /// The product of two primes of the form that the paper describes, with `M` for 2048 bits, made for this test.
    const WEAK: [u8; 256] = hex::decode(
        b"dbc3d3ed560598085e7e0f2faba0a789721c346a32a7ee3dd6f0e086b02952bf\
          6eea2919e085757a67c5dfcfa2cc1a02c69847d5d0a742cc6c0b344c31549360\
          5003bb6eb2f9256d8ae03082b4d004abfb29f2a467bf2b85ac734f5887e62ba1\
          c389fd89d7811f56d02de4c01e2da904b65618a54aa417c3335bc8cfe8cb5d52\
          688007ab668e5abe51763c9d32f37e3e8a47ca78b8aa3074943ef765f73eed7b\
          dcc6d0536060a550fa8fa9bf25de5c0c9f85a25edb41e117460b2dd242429d9e\
          9d2f263f3032e4fdad98e96e5c14c0046f139814095f716ee5ba768f94cd4da7\
          26ca8d54f59792b0c9714c8fad67f5e6c4c1685f4c7d3bdc64bc94da6963d10f",
    );

    #[test]
    fn weak_key_is_refused() {
        assert!(has_weakness(&WEAK));
        let key = |n: &[u8]| PublicKey::Rsa { n: n.to_vec(), e: vec![1, 0, 1] };
        assert_eq!(key(&WEAK).checked(), Err(KeyError::Roca));
        assert_eq!(PublicKey::from_spki(&key(&WEAK).to_spki()), Err(KeyError::Roca));
        // One power fewer is enough.
        let mut other = WEAK;
        other[255] ^= 2;
        assert!(!has_weakness(&other));
        assert!(key(&other).checked().is_ok());
    }

    #[test]
    fn ordinary_keys_are_not_flagged() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let modulus = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
        assert!(!has_weakness(&modulus));
        // As the product of two large primes, no modulus has one of the small primes as a factor.
        let moduli = (0_u32..).map(|number| {
            let block = |block: u8| {
                let seed = [&number.to_be_bytes()[..], &[block]].concat();
                digest::digest(&digest::SHA256, &seed).as_ref().to_vec()
            };
            let mut modulus: Vec<u8> = (0..8).flat_map(block).collect();
            modulus[0] |= 0x80;
            modulus[255] |= 1;
            modulus
        });
        let moduli = moduli.filter(|n| PRIMES.iter().all(|prime| remainder(n, *prime) != 0));
        assert_eq!(moduli.take(200).filter(|modulus| has_weakness(modulus)).count(), 0);
    }

    #[test]
    fn remainder_is_that_of_the_whole_number() {
        for (number, divisor, expected) in [
            (&[1, 0][..], 3, 1),
            (&[1, 0], 167, 89),
            (&[0xff, 0xff, 0xff, 0xff], 5, 0),
            (&[], 3, 0),
        ] {
            assert_eq!(remainder(number, divisor), expected, "{number:?} {divisor}");
        }
    }
}
