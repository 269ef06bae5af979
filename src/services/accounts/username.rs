//! User names: `first.last.role`, and `.1`, `.2` … for those who share one.
use crate::models::shared::accounts::Role;

/// The longest part made of one name, in characters.
const LONGEST_PART: usize = 30;

/// The user name a person of these names and this role would have, were it free.
///
/// Lower-case ASCII letters and digits: other letters are written as they sound (`Müller` → `muller`), what is left of
/// a name is joined. A name of which nothing is left counts as `user`.
///
/// # Example
/// ```
/// use diesel_tenants::models::shared::accounts::Role;
/// use diesel_tenants::services::accounts::username;
///
/// assert_eq!(username("Anna-Lena", "O'Brien", Role::LabTechnician), "annalena.obrien.lab_technician");
/// assert_eq!(username("Jürgen", "Müller", Role::Patient), "jurgen.muller.patient");
/// ```
#[must_use]
pub fn username(given_name: &str, family_name: &str, role: Role) -> String {
    format!("{}.{}.{role}", part(given_name), part(family_name))
}

fn part(name: &str) -> String {
    let ascii = deunicode::deunicode(name).to_ascii_lowercase();
    let kept = ascii.chars().filter(char::is_ascii_alphanumeric);
    let part: String = kept.take(LONGEST_PART).collect();
    match part.is_empty() {
        true => "user".to_owned(),
        false => part,
    }
}

/// The first of `base`, `base.1`, `base.2` … that is not among `taken`, which may hold anything that begins with `base`.
pub(super) fn first_free(base: &str, taken: &[String]) -> String {
    let numbers: std::collections::HashSet<u64> = taken
        .iter()
        .filter_map(|name| match name.strip_prefix(base)? {
            "" => Some(0),
            rest => {
                let number = rest.strip_prefix('.')?;
                // `a.b.doctor.01` is somebody else's way of counting.
                let canonical = number == "0" || !number.starts_with('0');
                number.parse().ok().filter(|_| canonical)
            }
        })
        .collect();
    match (0..).find(|number| !numbers.contains(number)) {
        Some(0) | None => base.to_owned(),
        Some(number) => format!("{base}.{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_number_is_taken() {
        let taken = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            first_free("a.b.doctor", &names)
        };
        assert_eq!(taken(&[]), "a.b.doctor");
        assert_eq!(taken(&["a.b.doctor"]), "a.b.doctor.1");
        assert_eq!(
            taken(&["a.b.doctor", "a.b.doctor.1", "a.b.doctor.3"]),
            "a.b.doctor.2"
        );
        assert_eq!(
            taken(&["a.b.doctor", "a.b.doctor.01", "a.b.doctor.x", "a.b.doctors"]),
            "a.b.doctor.1"
        );
    }

    #[test]
    fn names_of_any_script_give_a_name_one_can_type() {
        for (given, family, expected) in [
            ("Ada", "Lovelace", "ada.lovelace.doctor"),
            ("  José ", "Núñez y Peña", "jose.nunezypena.doctor"),
            ("医", "院", "yi.yuan.doctor"),
            ("'", "--", "user.user.doctor"),
        ] {
            assert_eq!(username(given, family, Role::Doctor), expected);
        }
        let long = "a".repeat(500);
        assert_eq!(
            username(&long, "b", Role::Doctor).len(),
            LONGEST_PART + ".b.doctor".len()
        );
    }
}
