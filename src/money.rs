//! Amounts of money that add up.

use std::fmt;
use std::str::FromStr;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::BigInt;
use serde::{Deserialize, Serialize};

/// An amount in minor units (cents): a whole number in a `BIGINT` column, and in serde.
///
/// Whole numbers, because a fraction kept as a float adds up to something else. The currency is known from elsewhere (the
/// hospital, the plan). `Display` and `FromStr` use two decimals and a point: `-12.05`. Arithmetic is checked: an amount
/// that does not fit is `None`, never a wrong amount.
///
/// # Example
///
/// ```
/// use diesel_tenants::money::Money;
///
/// let item: Money = "12.05".parse()?;
/// let total = item.checked_mul(3).and_then(|sum| sum.checked_sub(Money(115)));
/// assert_eq!(total, Some(Money(3_500)));
/// assert_eq!(Money(3_500).to_string(), "35.00");
/// # Ok::<(), diesel_tenants::money::ParseMoneyError>(())
/// ```
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    AsExpression,
    FromSqlRow,
)]
#[diesel(sql_type = BigInt)]
#[serde(transparent)]
pub struct Money(
    /// The number of minor units.
    pub i64,
);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The sum, or `None` when it does not fit.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The difference, or `None` when it does not fit.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The price of `quantity` pieces, or `None` when it does not fit.
    #[must_use]
    pub const fn checked_mul(self, quantity: i64) -> Option<Self> {
        match self.0.checked_mul(quantity) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// A share in basis points (hundredths of a percent: 1 500 is 15 %), rounded half away from zero, or `None` when
    /// it does not fit.
    #[must_use]
    pub fn checked_share(self, basis_points: i64) -> Option<Self> {
        let exact = i128::from(self.0) * i128::from(basis_points);
        let rounded = (exact + 5_000 * exact.signum()) / 10_000;
        i64::try_from(rounded).ok().map(Self)
    }

    /// The sum of all, or `None` when it does not fit.
    #[must_use]
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.0.unsigned_abs();
        let amount = format!("{}.{:02}", units / 100, units % 100);
        f.pad_integral(self.0 >= 0, "", &amount)
    }
}

/// The text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount: expected digits, a point and two decimals, as in 12.05")]
pub struct ParseMoneyError;

impl FromStr for Money {
    type Err = ParseMoneyError;

    fn from_str(text: &str) -> Result<Self, ParseMoneyError> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text),
        };
        match digits.split_once('.') {
            Some((whole, cents))
                if !whole.is_empty()
                    && cents.len() == 2
                    && (whole.bytes().chain(cents.bytes())).all(|byte| byte.is_ascii_digit()) =>
            {
                // With its sign, since the least amount has no positive twin.
                let units = format!("{sign}{whole}{cents}").parse();
                units.map(Self).map_err(|_| ParseMoneyError)
            }
            _ => Err(ParseMoneyError),
        }
    }
}

impl<DB> ToSql<BigInt, DB> for Money
where
    DB: Backend,
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<DB> FromSql<BigInt, DB> for Money
where
    DB: Backend,
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(bytes).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_parse_agree() {
        for (units, text) in [
            (0, "0.00"),
            (5, "0.05"),
            (-5, "-0.05"),
            (123_456, "1234.56"),
            (i64::MAX, "92233720368547758.07"),
            (i64::MIN, "-92233720368547758.08"),
        ] {
            assert_eq!(Money(units).to_string(), text);
            assert_eq!(text.parse(), Ok(Money(units)));
        }
        assert_eq!(
            format!("{:>9}|{:<7}|", Money(-105), Money(7)),
            "    -1.05|0.07   |"
        );
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "1",
            "1.",
            ".50",
            "1.5",
            "1.505",
            "1,50",
            "+1.50",
            "--1.50",
            "1.-5",
            " 1.50",
            "1e2.00",
            "92233720368547758.08",
        ] {
            assert_eq!(text.parse::<Money>(), Err(ParseMoneyError), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_none() {
        let most = Money(i64::MAX);
        assert_eq!(most.checked_add(Money(1)), None);
        assert_eq!(Money(i64::MIN).checked_sub(Money(1)), None);
        assert_eq!(most.checked_mul(2), None);
        assert_eq!(most.checked_share(10_001), None);
        assert_eq!(Money::checked_sum([most, Money(1), Money(-1)]), None);
        assert_eq!(Money::checked_sum([Money(1), Money(2)]), Some(Money(3)));
    }

    #[test]
    fn shares_round_half_away_from_zero() {
        assert_eq!(Money(999).checked_share(1_500), Some(Money(150)));
        assert_eq!(Money(10).checked_share(500), Some(Money(1)));
        assert_eq!(Money(-10).checked_share(500), Some(Money(-1)));
        assert_eq!(Money(9).checked_share(500), Some(Money(0)));
        assert_eq!(Money(i64::MAX).checked_share(10_000), Some(Money(i64::MAX)));
    }

    #[test]
    fn serde_writes_minor_units() {
        assert_eq!(serde_json::to_string(&Money(1_205)).unwrap(), "1205");
        assert_eq!(serde_json::from_str::<Money>("1205").unwrap(), Money(1_205));
        assert!(serde_json::from_str::<Money>("12.05").is_err());
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_keeps_the_whole_range() {
        use diesel::prelude::*;
        use diesel::sql_types::BigInt;

        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        for amount in [Money(i64::MIN), Money::ZERO, Money(i64::MAX)] {
            let back = diesel::select(amount.into_sql::<BigInt>()).get_result::<Money>(&mut conn);
            assert_eq!(back, Ok(amount));
        }
    }
}
