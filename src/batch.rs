//! How many rows are on their way into a database at once.
use crate::value::Value;

/// Rows that are inserted at once.
const MOST_ROWS: usize = 200;
/// Bytes of values that are held before they are inserted. One row may have a gibibyte, and 200 of them have no room.
const MOST_BYTES: usize = 8 << 20;

/// How full a batch is.
#[derive(Debug, Default)]
pub(crate) struct Fill {
    rows: usize,
    bytes: usize,
}

impl Fill {
    /// Counts a row, and says whether the batch is to be inserted before another one is taken.
    pub(crate) fn add(&mut self, row: &[Value]) -> bool {
        self.rows += 1;
        self.bytes += row.iter().map(Value::bytes).sum::<usize>();
        self.rows >= MOST_ROWS || self.bytes >= MOST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of how many rows a batch is that has nothing but such rows.
    fn batch_of(row: &[Value]) -> usize {
        let mut fill = Fill::default();
        (1..=MOST_ROWS).find(|_| fill.add(row)).unwrap()
    }

    #[test]
    fn a_batch_ends_by_rows_or_by_bytes() {
        assert_eq!(batch_of(&[]), 200);
        assert_eq!(batch_of(&[Value::Integer(1), Value::Null]), 200);
        let long = |bytes: usize| Value::Text("x".repeat(bytes));
        assert_eq!(batch_of(&[long(40 << 10)]), 200);
        assert_eq!(batch_of(&[long(MOST_BYTES)]), 1);
        assert_eq!(batch_of(&[long(1 << 20)]), 8);
        // All values of a row count, whatever kind they are.
        let row = [
            Value::Blob(vec![0; 1 << 20]),
            long(1 << 20),
            Value::BrokenText(vec![0xff; 2 << 20]),
        ];
        assert_eq!(batch_of(&row), 2);
    }
}
