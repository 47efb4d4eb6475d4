//! The published powers of tau, and the refusal of other files.

use anyhow::{Result, bail};
use quotapass_setup::iden3::Ptau;

/// The published files of the perpetual powers of tau, prepared for phase 2: power, name and BLAKE2b-512 (snarkjs,
/// README.md, section 7). 54 people contributed, and a beacon completed them. Larger files exist, and no circuit here
/// needs them.
const PUBLISHED: [(u32, &str, &str); 13] = [
    (
        8,
        "powersOfTau28_hez_final_08.ptau",
        "d6a8fb3a04feb600096c3b791f936a578c4e664d262e4aa24beed1b7a9a96aa5eb72864d628db247e9293384b74b36ffb52ca8d148d6e1b8b51e279fdf57b583",
    ),
    (
        9,
        "powersOfTau28_hez_final_09.ptau",
        "94f108a80e81b5d932d8e8c9e8fd7f46cf32457e31462deeeef37af1b71c2c1b3c71fb0d9b59c654ec266b042735f50311f9fd1d4cadce47ab234ad163157cb5",
    ),
    (
        10,
        "powersOfTau28_hez_final_10.ptau",
        "6cfeb8cda92453099d20120bdd0e8a5c4e7706c2da9a8f09ccc157ed2464d921fd0437fb70db42104769efd7d6f3c1f964bcf448c455eab6f6c7d863e88a5849",
    ),
    (
        11,
        "powersOfTau28_hez_final_11.ptau",
        "47c282116b892e5ac92ca238578006e31a47e7c7e70f0baa8b687f0a5203e28ea07bbbec765a98dcd654bad618475d4661bfaec3bd9ad2ed12e7abc251d94d33",
    ),
    (
        12,
        "powersOfTau28_hez_final_12.ptau",
        "ded2694169b7b08e898f736d5de95af87c3f1a64594013351b1a796dbee393bd825f88f9468c84505ddd11eb0b1465ac9b43b9064aa8ec97f2b73e04758b8a4a",
    ),
    (
        13,
        "powersOfTau28_hez_final_13.ptau",
        "58efc8bf2834d04768a3d7ffcd8e1e23d461561729beaac4e3e7a47829a1c9066d5320241e124a1a8e8aa6c75be0ba66f65bc8239a0542ed38e11276f6fdb4d9",
    ),
    (
        14,
        "powersOfTau28_hez_final_14.ptau",
        "eeefbcf7c3803b523c94112023c7ff89558f9b8e0cf5d6cdcba3ade60f168af4a181c9c21774b94fbae6c90411995f7d854d02ebd93fb66043dbb06f17a831c1",
    ),
    (
        15,
        "powersOfTau28_hez_final_15.ptau",
        "982372c867d229c236091f767e703253249a9b432c1710b4f326306bfa2428a17b06240359606cfe4d580b10a5a1f63fbed499527069c18ae17060472969ae6e",
    ),
    (
        16,
        "powersOfTau28_hez_final_16.ptau",
        "6a6277a2f74e1073601b4f9fed6e1e55226917efb0f0db8a07d98ab01df1ccf43eb0e8c3159432acd4960e2f29fe84a4198501fa54c8dad9e43297453efec125",
    ),
    (
        17,
        "powersOfTau28_hez_final_17.ptau",
        "6247a3433948b35fbfae414fa5a9355bfb45f56efa7ab4929e669264a0258976741dfbe3288bfb49828e5df02c2e633df38d2245e30162ae7e3bcca5b8b49345",
    ),
    (
        18,
        "powersOfTau28_hez_final_18.ptau",
        "7e6a9c2e5f05179ddfc923f38f917c9e6831d16922a902b0b4758b8e79c2ab8a81bb5f29952e16ee6c5067ed044d7857b5de120a90704c1d3b637fd94b95b13e",
    ),
    (
        19,
        "powersOfTau28_hez_final_19.ptau",
        "bca9d8b04242f175189872c42ceaa21e2951e0f0f272a0cc54fc37193ff6648600eaf1c555c70cdedfaf9fb74927de7aa1d33dc1e2a7f1a50619484989da0887",
    ),
    (
        20,
        "powersOfTau28_hez_final_20.ptau",
        "89a66eb5590a1c94e3f1ee0e72acf49b1669e050bb5f93c73b066b564dca4e0c7556a52b323178269d64af325d8fdddb33da3a27c34409b821de82aa2bf1a27b",
    ),
];

/// The URL of the folder that they are published in.
pub(super) const PUBLISHED_AT: &str = "https://storage.googleapis.com/zkevm/ptau/";

/// A published file.
pub(super) struct Published {
    pub(super) name: &'static str,
    /// Its BLAKE2b-512, in hexadecimal.
    pub(super) hash: &'static str,
}

/// Returns the smallest published file for domains of 2^`power`.
pub(super) fn smallest(power: u32) -> Result<Published> {
    match PUBLISHED.iter().find(|(found, _, _)| *found >= power) {
        Some((_, name, hash)) => Ok(Published { name, hash }),
        None => bail!("this program knows no published powers of tau of power {power} or more"),
    }
}

/// Requires that powers of tau are a published file, or have the hash that the user expects. Returns the name of the
/// published file. The hash identifies the transcript, and without a transcript the file may come from one person, who
/// can then forge proofs for every key of the ceremony.
pub(super) fn require_published(ptau: &Ptau<'_>, expected: Option<&str>) -> Result<Option<&'static str>> {
    let hash = ptau.hash().to_string();
    let published = PUBLISHED.iter().find(|(_, _, known)| *known == hash).map(|(_, name, _)| *name);
    match expected {
        Some(expected) if !expected.eq_ignore_ascii_case(&hash) => {
            bail!("the powers of tau have the hash\n{hash}, not the published hash\n{expected}")
        }
        None if published.is_none() => bail!(
            "the powers of tau have the hash\n{hash}, which is not that of a published file of the perpetual powers of \
             tau. A file that one person made lets this person forge proofs. Take a file from {PUBLISHED_AT}; or, if \
             this is the hash that another ceremony has published, pass it with --ptau-hash"
        ),
        _ => Ok(published),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_file_that_fits_is_chosen() {
        let name = |power| smallest(power).map(|file| file.name);
        assert_eq!(name(0).unwrap(), "powersOfTau28_hez_final_08.ptau");
        assert_eq!(name(12).unwrap(), "powersOfTau28_hez_final_12.ptau");
        assert_eq!(name(20).unwrap(), "powersOfTau28_hez_final_20.ptau");
        assert!(name(21).is_err());
        for (power, name, hash) in PUBLISHED {
            assert_eq!(name, format!("powersOfTau28_hez_final_{power:02}.ptau"));
            assert!(hash.len() == 128 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }
}
