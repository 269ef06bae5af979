//! What a mapping file says: which tables and columns of another program become which of ours, and how.
use std::collections::BTreeMap;
use std::str::FromStr;

use toml::{Table, Value as Toml};

use super::convert::Conversion;
use super::mapping_error::MappingError;
use crate::value::Value;

/// The format this build reads.
const FORMAT: i64 = 1;

/// Tables of Django and its usual companions that hold nothing of the application.
const PLUMBING: [&str; 12] = [
    "django_migrations",
    "django_content_type",
    "django_session",
    "django_admin_log",
    "django_site",
    "auth_*",
    "authtoken_*",
    "otp_*",
    "django_celery_beat_*",
    "django_celery_results_*",
    "celery_*",
    "django_cache*",
];

/// How the tables of another program become those of a tenant, read from a TOML file.
///
/// ```
/// use diesel_tenants::adopt::Mapping;
///
/// let mapping: Mapping = r#"
///     format = 1
///     empty_is_null = true             # '' becomes NULL where the column of ours takes NULL
///     require = ["patients_patient"]   # refuse a file without it
///     ignore = ["telemedicine_*"]      # left behind on purpose, beside Django's own tables
///
///     [[table]]
///     from = "patients_patient"        # their table
///     to = "patients"                  # ours; without it, the same name
///     skip = { first_name = ["TEST"] } # rows left behind, by the text of a column
///     skip_null = ["date_of_birth"]    # rows left behind where this is NULL
///
///     [table.columns]                  # our column = how it is made; columns of the same name need no line
///     number = "patient_id"                                  # that column of theirs, as it is
///     id = { from = "id", as = "uuid" }
///     doctor = { from = "doctor_id", as = "key", of = "doctors_doctor" }
///     sex = { from = "gender", words = { M = "male", F = "female" }, other = "unknown" }
///     registered_by = { from = "registered_by_id", as = "key", of = "accounts_user", shared = true }
///     address = { from = ["address_line1", "address_line2"], join = ", " }
///     fee = { from = "consultation_fee", as = "money", scale = 2 }
///     created_at = { from = "registration_date", as = "timestamp", default = "1970-01-01 00:00:00" }
///     priority = { constant = "normal" }
/// "#.parse()?;
/// assert_eq!(mapping.tables().collect::<Vec<_>>(), [("patients_patient", "patients")]);
/// # Ok::<(), diesel_tenants::adopt::MappingError>(())
/// ```
///
/// | key of a column | what it does |
/// |---|---|
/// | `from` | their column; or several: the first that is neither NULL nor empty |
/// | `join` | with several: their texts put together with this between them, NULL and empty ones left out |
/// | `as` | `uuid`, `key`, `money`, `integer`, `real`, `text`, `boolean`, `timestamp`, `date`, `time` |
/// | `scale` | with `money`: digits after the point, default 2; rounded half to even |
/// | `of` | with `key`: the table whose key it is, default the one it is in; equal tables and keys give equal ids |
/// | `shared` | with `key`: a row of the shared database, so the id does not hang on the tenant; reported as unresolved |
/// | `words` | texts (or numbers as texts) to what they become; one that is not listed is refused … |
/// | `other` | … unless this stands in for it |
/// | `default` | in place of NULL |
/// | `empty_is_null` | as at the top, for this column |
/// | `orphans` | `"null"`: a reference to a row that is not there becomes NULL; default `"refuse"` |
/// | `constant` | this value in every row; alone |
///
/// `key` takes a UUID as `uuid` does, and derives one from a number or a word. A key that is not known is refused, and the
/// nearest that is known is named.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    pub(crate) rules: Vec<TableRule>,
    pub(crate) require: Vec<String>,
    ignore: Vec<String>,
    pub(crate) empty_is_null: bool,
}

impl Default for Mapping {
    /// Tables and columns of the same name, as they are.
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            require: Vec::new(),
            ignore: PLUMBING.map(str::to_owned).to_vec(),
            empty_is_null: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableRule {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) skip: Vec<(String, Vec<String>)>,
    pub(crate) skip_null: Vec<String>,
    pub(crate) columns: BTreeMap<String, ColumnRule>,
}

impl TableRule {
    /// The rule of a table that is not in the file.
    pub(crate) fn same_name(table: &str) -> Self {
        Self {
            from: table.to_owned(),
            to: table.to_owned(),
            skip: Vec::new(),
            skip_null: Vec::new(),
            columns: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ColumnRule {
    /// Empty for a constant.
    pub(crate) from: Vec<String>,
    pub(crate) join: Option<String>,
    pub(crate) conversion: Conversion,
    pub(crate) of: Option<String>,
    pub(crate) shared: bool,
    pub(crate) words: Option<BTreeMap<String, Value>>,
    pub(crate) other: Option<Value>,
    pub(crate) default: Option<Value>,
    pub(crate) empty_is_null: Option<bool>,
    pub(crate) orphans_become_null: bool,
    pub(crate) constant: Option<Value>,
}

impl ColumnRule {
    /// A column of theirs, as it is.
    pub(crate) fn plain(from: &str) -> Self {
        Self {
            from: vec![from.to_owned()],
            ..Self::default()
        }
    }
}

impl Mapping {
    /// The tables it names: theirs, and ours that they become.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules
            .iter()
            .map(|rule| (rule.from.as_str(), rule.to.as_str()))
    }

    /// Whether a table of theirs is left behind on purpose. One that the mapping names is not.
    pub(crate) fn ignores(&self, table: &str) -> bool {
        let named = self
            .rules
            .iter()
            .any(|rule| rule.from.eq_ignore_ascii_case(table));
        let table = table.to_ascii_lowercase();
        let matches = |pattern: &String| {
            let pattern = pattern.to_ascii_lowercase();
            match pattern.strip_suffix('*') {
                Some(start) => table.starts_with(start),
                None => table == pattern,
            }
        };
        !named && self.ignore.iter().any(matches)
    }
}

impl FromStr for Mapping {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, MappingError> {
        let table: Table = text.parse().map_err(|source| MappingError::Syntax {
            source: Box::new(source),
        })?;
        let top = Keys::new(
            "the top",
            &table,
            &["format", "empty_is_null", "require", "ignore", "table"],
        )?;
        match top.get("format") {
            Some(Toml::Integer(FORMAT)) => {}
            found => {
                let found = found.and_then(Toml::as_integer);
                return Err(MappingError::Format {
                    found,
                    known: FORMAT,
                });
            }
        }
        let mut mapping = Self {
            empty_is_null: top.boolean("empty_is_null")?.unwrap_or(false),
            require: top.texts("require")?,
            ..Self::default()
        };
        mapping.ignore.extend(top.texts("ignore")?);
        let tables = match top.get("table") {
            None => &[],
            Some(Toml::Array(tables)) => tables.as_slice(),
            Some(_) => return Err(top.wrong("table", "[[table]]")),
        };
        for (number, rule) in tables.iter().enumerate() {
            let at = format!("table {}", number + 1);
            let Toml::Table(rule) = rule else {
                return Err(top.wrong("table", "[[table]]"));
            };
            let rule = table_rule(&at, rule)?;
            let twice = |other: &TableRule| (&other.from, &other.to) == (&rule.from, &rule.to);
            if mapping.rules.iter().any(twice) {
                return Err(MappingError::Twice {
                    from: rule.from,
                    to: rule.to,
                });
            }
            mapping.rules.push(rule);
        }
        Ok(mapping)
    }
}

fn table_rule(at: &str, table: &Table) -> Result<TableRule, MappingError> {
    let keys = Keys::new(at, table, &["from", "to", "skip", "skip_null", "columns"])?;
    let from = keys.text("from")?.ok_or_else(|| keys.missing("from"))?;
    let at = format!("table `{from}`");
    let keys = Keys {
        at: at.clone(),
        ..keys
    };
    let mut skip = Vec::new();
    for (column, values) in keys.table("skip")?.into_iter().flatten() {
        let Toml::Array(values) = values else {
            return Err(keys.wrong("skip", "{ column = [values] }"));
        };
        let texts = values.iter().map(|value| match value {
            Toml::String(text) => Ok(text.clone()),
            Toml::Integer(number) => Ok(number.to_string()),
            _ => Err(keys.wrong("skip", "texts and whole numbers")),
        });
        skip.push((column.clone(), texts.collect::<Result<_, _>>()?));
    }
    let mut columns = BTreeMap::new();
    for (column, rule) in keys.table("columns")?.into_iter().flatten() {
        let at = format!("column `{column}` of {at}");
        let rule = match rule {
            Toml::String(from) => ColumnRule::plain(from),
            Toml::Table(rule) => column_rule(&at, rule)?,
            _ => return Err(keys.wrong("columns", "texts and tables")),
        };
        columns.insert(column.clone(), rule);
    }
    Ok(TableRule {
        to: keys.text("to")?.unwrap_or_else(|| from.clone()),
        skip,
        skip_null: keys.texts("skip_null")?,
        columns,
        from,
    })
}

fn column_rule(at: &str, table: &Table) -> Result<ColumnRule, MappingError> {
    const KEYS: [&str; 12] = [
        "from",
        "join",
        "as",
        "scale",
        "of",
        "shared",
        "words",
        "other",
        "default",
        "empty_is_null",
        "orphans",
        "constant",
    ];
    let keys = Keys::new(at, table, &KEYS)?;
    if let Some(constant) = keys.value("constant")? {
        if table.len() > 1 {
            return Err(keys.wrong("constant", "no other key beside it"));
        }
        return Ok(ColumnRule {
            constant: Some(constant),
            ..ColumnRule::default()
        });
    }
    let from = match keys.get("from") {
        Some(Toml::String(from)) => vec![from.clone()],
        Some(Toml::Array(_)) => keys.texts("from")?,
        Some(_) => return Err(keys.wrong("from", "a column or a list of columns")),
        None => return Err(keys.missing("from")),
    };
    let join = keys.text("join")?;
    if from.is_empty() {
        return Err(keys.wrong("from", "a column or a list of columns"));
    }
    if from.len() == 1 && join.is_some() {
        return Err(keys.wrong("join", "several columns in `from`"));
    }
    let scale = match keys.get("scale") {
        None => 2,
        Some(Toml::Integer(scale @ 0..=9)) => *scale as u32,
        Some(_) => return Err(keys.wrong("scale", "0 to 9")),
    };
    let word = keys.text("as")?;
    let conversion = match word.as_deref() {
        None => Conversion::Plain,
        Some("uuid") => Conversion::Uuid,
        Some("key") => Conversion::Key,
        Some("money") => Conversion::Money { scale },
        Some("integer") => Conversion::Integer,
        Some("real") => Conversion::Real,
        Some("text") => Conversion::Text,
        Some("boolean") => Conversion::Boolean,
        Some("timestamp") => Conversion::Timestamp,
        Some("date") => Conversion::Date,
        Some("time") => Conversion::Time,
        Some(_) => {
            let known = "uuid, key, money, integer, real, text, boolean, timestamp, date or time";
            return Err(keys.wrong("as", known));
        }
    };
    let only_with = |key: &'static str, allowed: bool, rule: &'static str| match allowed
        || !table.contains_key(key)
    {
        true => Ok(()),
        false => Err(keys.wrong(key, rule)),
    };
    let is_key = conversion == Conversion::Key;
    only_with(
        "scale",
        matches!(conversion, Conversion::Money { .. }),
        "`as = \"money\"` beside it",
    )?;
    only_with("of", is_key, "`as = \"key\"` beside it")?;
    only_with("shared", is_key, "`as = \"key\"` beside it")?;
    let mut words = None;
    if let Some(listed) = keys.table("words")? {
        let listed = listed.iter().map(|(word, value)| {
            let value = scalar(value).ok_or_else(|| keys.wrong("words", "texts and numbers"))?;
            Ok((word.clone(), value))
        });
        words = Some(listed.collect::<Result<BTreeMap<_, _>, MappingError>>()?);
    }
    only_with("other", words.is_some(), "`words` beside it")?;
    let orphans_become_null = match keys.text("orphans")?.as_deref() {
        None | Some("refuse") => false,
        Some("null") => true,
        Some(_) => return Err(keys.wrong("orphans", "\"null\" or \"refuse\"")),
    };
    Ok(ColumnRule {
        from,
        join,
        conversion,
        of: keys.text("of")?,
        shared: keys.boolean("shared")?.unwrap_or(false),
        words,
        other: keys.value("other")?,
        default: keys.value("default")?,
        empty_is_null: keys.boolean("empty_is_null")?,
        orphans_become_null,
        constant: None,
    })
}

fn scalar(value: &Toml) -> Option<Value> {
    Some(match value {
        Toml::String(text) => Value::Text(text.clone()),
        Toml::Integer(number) => Value::Integer(*number),
        Toml::Boolean(truth) => Value::Integer(i64::from(*truth)),
        Toml::Float(number) if !number.is_nan() => Value::Real(*number),
        _ => return None,
    })
}

/// A table of the file whose keys are all known.
struct Keys<'a> {
    at: String,
    table: &'a Table,
}

impl<'a> Keys<'a> {
    fn new(at: &str, table: &'a Table, known: &[&'static str]) -> Result<Self, MappingError> {
        for key in table.keys() {
            if !known.contains(&key.as_str()) {
                let nearest = known.iter().max_by(|a, b| {
                    strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b))
                });
                return Err(MappingError::UnknownKey {
                    at: at.to_owned(),
                    key: crate::excerpt::Excerpt::of(key),
                    nearest: nearest.copied().unwrap_or_default(),
                });
            }
        }
        Ok(Self {
            at: at.to_owned(),
            table,
        })
    }

    fn get(&self, key: &str) -> Option<&'a Toml> {
        self.table.get(key)
    }

    fn wrong(&self, key: &'static str, wanted: &'static str) -> MappingError {
        MappingError::Wrong {
            at: self.at.clone(),
            key,
            wanted,
        }
    }

    fn missing(&self, key: &'static str) -> MappingError {
        MappingError::MissingKey {
            at: self.at.clone(),
            key,
        }
    }

    fn text(&self, key: &'static str) -> Result<Option<String>, MappingError> {
        match self.get(key) {
            None => Ok(None),
            Some(Toml::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    fn boolean(&self, key: &'static str) -> Result<Option<bool>, MappingError> {
        match self.get(key) {
            None => Ok(None),
            Some(Toml::Boolean(truth)) => Ok(Some(*truth)),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    fn texts(&self, key: &'static str) -> Result<Vec<String>, MappingError> {
        let wrong = || self.wrong(key, "a list of texts");
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Toml::Array(texts)) => {
                let texts = texts
                    .iter()
                    .map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong));
                texts.collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    fn table(&self, key: &'static str) -> Result<Option<&'a Table>, MappingError> {
        match self.get(key) {
            None => Ok(None),
            Some(Toml::Table(table)) => Ok(Some(table)),
            Some(_) => Err(self.wrong(key, "a table")),
        }
    }

    fn value(&self, key: &'static str) -> Result<Option<Value>, MappingError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => scalar(value)
                .map(Some)
                .ok_or_else(|| self.wrong(key, "a text or a number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        text.parse::<Mapping>().unwrap_err().to_string()
    }

    fn column(rule: &str) -> String {
        refused(&format!(
            "format = 1\n[[table]]\nfrom = \"a\"\n[table.columns]\nx = {rule}"
        ))
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_that_is_known() {
        assert_eq!(
            refused("format = 1\nignroe = []"),
            "the mapping has \"ignroe\" at the top, which is no key there; did you mean `ignore`?"
        );
        assert_eq!(
            refused("format = 1\n[[table]]\nfrom = \"a\"\nskipnull = []"),
            "the mapping has \"skipnull\" at table 1, which is no key there; did you mean `skip_null`?"
        );
        assert_eq!(
            column("{ form = \"b\" }"),
            "the mapping has \"form\" at column `x` of table `a`, which is no key there; did you mean `from`?"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (rule, says) in [
            (
                "{ from = \"b\", as = \"datetime\" }",
                "`as` at column `x` of table `a`",
            ),
            ("{ from = \"b\", scale = 2 }", "as = \"money\""),
            ("{ from = \"b\", of = \"t\" }", "as = \"key\""),
            ("{ from = \"b\", other = \"t\" }", "`words` beside it"),
            ("{ from = [] }", "`from`"),
            ("{ from = \"b\", join = \" \" }", "`join`"),
            ("{ constant = 1, from = \"b\" }", "no other key"),
            (
                "{ from = \"b\", orphans = \"drop\" }",
                "\"null\" or \"refuse\"",
            ),
            ("{ as = \"uuid\" }", "needs `from`"),
            ("7", "texts and tables"),
        ] {
            let error = column(rule);
            assert!(error.contains(says), "{rule}: {error}");
        }
        assert!(refused("").contains("format = 1"), "{}", refused(""));
        assert!(refused("format = 2").contains("format 2"));
        assert!(refused("format = ").contains("TOML"));
        let twice = "format = 1\n[[table]]\nfrom = \"a\"\n[[table]]\nfrom = \"a\"";
        assert!(refused(twice).contains("twice"));
    }

    #[test]
    fn plumbing_is_ignored_unless_it_is_named() {
        let mapping: Mapping =
            "format = 1\nignore = [\"x_*\"]\n[[table]]\nfrom = \"auth_user\"\nto = \"users\""
                .parse()
                .unwrap();
        for ignored in [
            "django_migrations",
            "auth_group",
            "DJANGO_SESSION",
            "x_",
            "x_y",
        ] {
            assert!(mapping.ignores(ignored), "{ignored}");
        }
        for kept in [
            "auth_user",
            "patients_patient",
            "django_migrations2",
            "ax_y",
        ] {
            assert!(!mapping.ignores(kept), "{kept}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_mapping_or_an_error(text in any::<String>()) {
            let _ = text.parse::<Mapping>();
        }

        #[test]
        fn any_column_is_a_rule_or_an_error(
            keys in prop::collection::vec(
                ("(from|join|as|scale|of|shared|words|other|default|orphans|constant|x)",
                 r#"("[a-z]{0,4}"|\["a"\]|\["a","b"\]|-?[0-9]{1,3}|true|1\.5|nan|\{a=1\}|\[\[\]\]|"key"|"money"|"null"|1979-05-27)"#),
                0..5,
            )
        ) {
            let rule: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            let text = format!("format = 1\n[[table]]\nfrom = \"a\"\n[table.columns]\nx = {{ {} }}", rule.join(", "));
            let _ = text.parse::<Mapping>();
        }
    }
}
