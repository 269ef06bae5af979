//! Passwords: what is refused, how they are kept, and the ones that are made up.
use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use once_cell::sync::OnceCell;
use rand::seq::{IndexedRandom, SliceRandom};

use super::AccountError;

/// The fewest characters of a password somebody chooses.
pub const SHORTEST_PASSWORD: usize = 12;
/// The most: hashing is made slow on purpose, and a megabyte of it would be an attack.
pub const LONGEST_PASSWORD: usize = 128;
/// Characters of a password that is made up.
pub const MADE_UP_LENGTH: usize = 12;
/// How strong a chosen password must be, of 0 to 4, in zxcvbn's words: 3 is "safely unguessable".
const STRENGTH: zxcvbn::Score = zxcvbn::Score::Three;

/// A password that was made up, to be shown once. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimePassword(String);

impl OneTimePassword {
    /// Twelve characters from the system's random source: letters and digits that cannot be mistaken for each other, and
    /// at least one of each kind.
    pub(super) fn generate() -> Self {
        const KINDS: [&[u8]; 4] = [
            b"abcdefghjkmnpqrstuvwxyz",
            b"ABCDEFGHJKLMNPQRSTUVWXYZ",
            b"23456789",
            b"+-=?@%",
        ];
        let mut random = rand::rng();
        let mut pick = |from: &[u8]| *from.choose(&mut random).expect("no kind is empty");
        let mut password: Vec<u8> = KINDS.iter().map(|kind| pick(kind)).collect();
        let any = KINDS.concat();
        password.extend((KINDS.len()..MADE_UP_LENGTH).map(|_| pick(&any)));
        password.shuffle(&mut random);
        Self(password.into_iter().map(char::from).collect())
    }

    /// The password, for the one moment it is shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimePassword(…)")
    }
}

/// Why a chosen password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakPassword {
    /// See [`SHORTEST_PASSWORD`].
    #[error("the password has {found} characters, it needs {SHORTEST_PASSWORD}")]
    TooShort {
        /// How many it has.
        found: usize,
    },
    /// See [`LONGEST_PASSWORD`].
    #[error("the password has {found} characters, at most {LONGEST_PASSWORD} are allowed")]
    TooLong {
        /// How many it has.
        found: usize,
    },
    /// It is the present one, which whoever made it up may have seen.
    #[error("the new password is the present one; choose another")]
    Same,
    /// It has the user's name or address in it.
    #[error("the password has the user's own name or address in it; choose something unrelated")]
    Personal,
    /// Digits can be tried out one after the other.
    #[error("the password is made of digits alone; add words")]
    DigitsOnly,
    /// It is common, or made by a pattern that is.
    #[error(
        "the password is easy to guess; add a word or two that have nothing to do with each other"
    )]
    Guessable,
}

/// Whether somebody may choose this password. `personal` are the user's own words: names, user name, address.
///
/// # Errors
/// See [`WeakPassword`].
pub fn check_password(password: &str, personal: &[&str]) -> Result<(), WeakPassword> {
    let found = password.chars().count();
    if found < SHORTEST_PASSWORD {
        return Err(WeakPassword::TooShort { found });
    }
    if found > LONGEST_PASSWORD {
        return Err(WeakPassword::TooLong { found });
    }
    if password.chars().all(|c| c.is_ascii_digit()) {
        return Err(WeakPassword::DigitsOnly);
    }
    let folded = password.to_lowercase();
    let words = personal
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    for word in words.filter(|word| word.chars().count() >= 4) {
        if folded.contains(&word.to_lowercase()) {
            return Err(WeakPassword::Personal);
        }
    }
    if zxcvbn::zxcvbn(password, personal).score() < STRENGTH {
        return Err(WeakPassword::Guessable);
    }
    Ok(())
}

/// How passwords are hashed: Argon2id with a salt of each its own.
///
/// The default is what OWASP's password storage cheat sheet asks for first: 19 MiB, two passes, one lane. It takes some
/// 20 ms of a core. Hashes made with other numbers stay good: a hash carries its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashCost {
    /// Memory, in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for HashCost {
    fn default() -> Self {
        Self {
            memory: 19 * 1024,
            passes: 2,
        }
    }
}

impl HashCost {
    /// Memory in KiB, and passes over it.
    #[must_use]
    pub fn new(memory: u32, passes: u32) -> Self {
        Self { memory, passes }
    }

    fn argon2(self) -> Result<Argon2<'static>, AccountError> {
        let params = Params::new(self.memory, self.passes, 1, None);
        let params = params.map_err(|_| AccountError::HashCost { cost: self })?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    /// The password's hash, in PHC form.
    pub(super) fn hash(self, password: &str) -> Result<String, AccountError> {
        let hash = self.argon2()?.hash_password(password.as_bytes());
        Ok(hash
            .map_err(|_| AccountError::HashCost { cost: self })?
            .to_string())
    }
}

/// Whether `password` is the one of `hash`. Takes as long for a hash that cannot be read, or where there is none: how
/// long a log-in takes must not tell whether there is such a user.
pub(super) fn verify(
    password: &str,
    hash: Option<&str>,
    cost: HashCost,
) -> Result<bool, AccountError> {
    static NOBODY: OnceCell<String> = OnceCell::new();
    let nobody = NOBODY.get_or_try_init(|| cost.hash(OneTimePassword::generate().reveal()))?;
    let readable = hash.and_then(|hash| PasswordHash::new(hash).ok());
    let (parsed, known) = match readable {
        Some(parsed) => (parsed, true),
        None => {
            let parsed = PasswordHash::new(nobody).expect("made by the line above");
            (parsed, false)
        }
    };
    // Anything longer was never taken, and is not worth the work.
    let password = match password.chars().count() > LONGEST_PASSWORD {
        true => "",
        false => password,
    };
    let same = Argon2::default()
        .verify_password(password.as_bytes(), &parsed)
        .is_ok();
    Ok(same && known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_kept() {
        let personal = [
            "Ada",
            "Lovelace",
            "ada.lovelace.doctor",
            "ada@analytical.example",
        ];
        let check = |password: &str| check_password(password, &personal);
        assert_eq!(check("short"), Err(WeakPassword::TooShort { found: 5 }));
        assert_eq!(
            check(&"ö".repeat(129)),
            Err(WeakPassword::TooLong { found: 129 })
        );
        assert_eq!(check("849302749182"), Err(WeakPassword::DigitsOnly));
        assert_eq!(check("xK3!LOVELACE-9z"), Err(WeakPassword::Personal));
        assert_eq!(check("my-analytical-engine"), Err(WeakPassword::Personal));
        for common in [
            "passwordpassword",
            "aaaaaaaaaaaaaaaa",
            "qwertyuiopas",
            "P@ssw0rd2024",
        ] {
            assert_eq!(check(common), Err(WeakPassword::Guessable), "{common}");
        }
        assert_eq!(check("tulip orbit cellar"), Ok(()));
    }

    #[test]
    fn what_is_made_up_is_accepted_and_never_the_same() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let password = OneTimePassword::generate();
            assert_eq!(password.reveal().len(), MADE_UP_LENGTH);
            assert_eq!(check_password(password.reveal(), &[]), Ok(()));
            assert!(!format!("{password:?}").contains(password.reveal()));
            assert!(seen.insert(password.0));
        }
    }

    #[test]
    fn a_hash_says_yes_to_its_password_only() {
        let cost = HashCost::new(64, 1);
        let hash = cost.hash("tulip orbit cellar").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_ne!(
            hash,
            cost.hash("tulip orbit cellar").unwrap(),
            "salts differ"
        );
        for (password, hash, expected) in [
            ("tulip orbit cellar", Some(hash.as_str()), true),
            ("tulip orbit cellaR", Some(&hash), false),
            ("", Some(&hash), false),
            ("tulip orbit cellar", Some("not a hash"), false),
            ("tulip orbit cellar", None, false),
        ] {
            assert_eq!(verify(password, hash, cost).unwrap(), expected);
        }
        assert!(matches!(
            HashCost::new(0, 0).hash("x"),
            Err(AccountError::HashCost { .. })
        ));
    }
}
