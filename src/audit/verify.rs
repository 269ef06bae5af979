//! Whether the audit log is what was entered into it.
use serde::{Serialize, Serializer};

use super::AuditHead;
use super::PRUNE;
use crate::catalog::audit::{Ends, Row};

/// What [`Tenancy::verify_audit`](crate::Tenancy::verify_audit) found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditVerification {
    /// The first entry that is kept; those before it were taken away by retention.
    pub first: u64,
    /// The last entry, as the log says.
    pub last: u64,
    /// How many entries were found to be in order.
    pub sound: u64,
    /// The first thing that is wrong.
    pub fault: Option<AuditFault>,
}

impl AuditVerification {
    /// Whether nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.fault.is_none()
    }
}

/// What is wrong with the audit log, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditFault {
    /// An entry's content is not what was entered, or it stands in another's place.
    #[error("audit entry {seq} was changed or moved")]
    Altered {
        /// Which.
        seq: u64,
    },
    /// An entry does not follow the one before it: one of them was put in.
    #[error(
        "audit entry {seq} does not follow the one before it; one of them was put in or made anew"
    )]
    Unlinked {
        /// Which.
        seq: u64,
    },
    /// An entry is not there.
    #[error("audit entry {seq} is missing")]
    Missing {
        /// Which.
        seq: u64,
    },
    /// There is an entry behind the end.
    #[error("audit entry {seq} stands behind the end of the log")]
    Surplus {
        /// Which.
        seq: u64,
    },
    /// The log's own note of its last entry is not that entry's hash.
    #[error("the end of the log is not audit entry {seq} as it stands there")]
    End {
        /// The last entry.
        seq: u64,
    },
    /// The oldest entries are gone, and none that is left says that retention took them.
    #[error("audit entries up to {through} are gone, and no entry says that they were pruned")]
    Unsaid {
        /// The last one that is gone.
        through: u64,
    },
    /// The entry that was written down elsewhere was pruned since, so nothing can be compared with it.
    #[error(
        "audit entry {seq}, which was written down, was pruned since; compare with a newer one, or with the \
         entry `audit.prune` if it is one you know of"
    )]
    AnchorPruned {
        /// Which.
        seq: u64,
    },
    /// The entry that was written down elsewhere is another one now, or not there.
    #[error("audit entry {seq} is not the one that was written down")]
    Disowned {
        /// Which.
        seq: u64,
    },
}

impl AuditFault {
    /// The place in the log where it is.
    pub fn seq(&self) -> u64 {
        match *self {
            Self::Altered { seq }
            | Self::Unlinked { seq }
            | Self::Missing { seq }
            | Self::Surplus { seq }
            | Self::End { seq }
            | Self::AnchorPruned { seq }
            | Self::Disowned { seq } => seq,
            Self::Unsaid { through } => through,
        }
    }
}

impl Serialize for AuditFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Follows the log from its first row to its last.
pub(super) struct Chain<'a> {
    ends: Ends,
    anchor: Option<&'a AuditHead>,
    next: i64,
    hash: Vec<u8>,
    /// Whether an entry says that everything up to the pruned end was taken away.
    said: bool,
    /// The first row that reads as it was entered and is not: its values have other types.
    retyped: Option<i64>,
    fault: Option<AuditFault>,
}

impl<'a> Chain<'a> {
    pub(super) fn new(mut ends: Ends, anchor: Option<&'a AuditHead>) -> Self {
        // Ends that nobody ever had are a fault, and nothing to count on from.
        let sane = (0..i64::MAX).contains(&ends.head_seq)
            && (0..=ends.head_seq).contains(&ends.pruned_through);
        if !sane {
            ends.head_seq = ends.head_seq.clamp(0, i64::MAX - 1);
            ends.pruned_through = ends.pruned_through.clamp(0, ends.head_seq);
        }
        let seq = ends.head_seq as u64;
        Self {
            next: ends.pruned_through + 1,
            hash: ends.pruned_hash.clone(),
            said: ends.pruned_through == 0,
            ends,
            anchor,
            retyped: None,
            fault: (!sane).then_some(AuditFault::End { seq }),
        }
    }

    /// Names the first row whose values are of other types than their columns, if there is one.
    pub(super) fn retyped(&mut self, seq: Option<i64>) {
        self.retyped = seq;
    }

    /// The row that must come next.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// Whether `row` is the next one, and as it was entered.
    pub(super) fn follow(&mut self, row: &Row) -> bool {
        if self.fault.is_some() {
            return false;
        }
        let seq = row.seq as u64;
        self.fault = if row.seq > self.ends.head_seq {
            Some(AuditFault::Surplus { seq })
        } else if row.seq != self.next {
            let seq = self.next as u64;
            Some(AuditFault::Missing { seq })
        } else if row.digest().as_slice() != row.hash || self.retyped == Some(row.seq) {
            Some(AuditFault::Altered { seq })
        } else if row.prev_hash != self.hash {
            Some(AuditFault::Unlinked { seq })
        } else if self
            .anchor
            .is_some_and(|a| a.seq == seq && a.hash.as_slice() != row.hash)
        {
            Some(AuditFault::Disowned { seq })
        } else {
            None
        };
        if self.fault.is_none() {
            self.next += 1;
            self.hash.clone_from(&row.hash);
            self.said |= self.says_pruned(row);
        }
        self.fault.is_none()
    }

    /// Whether `row` is the entry of the pruning that made the pruned end what it is.
    fn says_pruned(&self, row: &Row) -> bool {
        #[derive(serde::Deserialize)]
        struct Pruned {
            through: i64,
            hash: String,
        }
        row.action == PRUNE
            && serde_json::from_str::<Pruned>(&row.detail).is_ok_and(|pruned| {
                pruned.through == self.ends.pruned_through
                    && pruned.hash == data_encoding::HEXLOWER.encode(&self.ends.pruned_hash)
            })
    }

    pub(super) fn end(self) -> AuditVerification {
        let seq = self.next as u64;
        let ended = || {
            if self.next <= self.ends.head_seq {
                return Some(AuditFault::Missing { seq });
            }
            if self.hash != self.ends.head_hash {
                return Some(AuditFault::End { seq: seq - 1 });
            }
            let pruned_through = self.ends.pruned_through as u64;
            if !self.said {
                return Some(AuditFault::Unsaid {
                    through: pruned_through,
                });
            }
            let anchor = self.anchor?;
            // The last one that was pruned can still be compared, those before it cannot.
            if anchor.seq < pruned_through {
                return Some(AuditFault::AnchorPruned { seq: anchor.seq });
            }
            let beyond = anchor.seq > self.ends.head_seq as u64;
            let pruned =
                anchor.seq == pruned_through && anchor.hash.as_slice() != self.ends.pruned_hash;
            (beyond || pruned).then_some(AuditFault::Disowned { seq: anchor.seq })
        };
        AuditVerification {
            first: self.ends.pruned_through as u64 + 1,
            last: self.ends.head_seq as u64,
            sound: seq - self.ends.pruned_through as u64 - 1,
            fault: self.fault.or_else(ended),
        }
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use diesel::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::access::Principal;
    use crate::audit::AuditNote;
    use crate::catalog::CatalogStore;
    use crate::catalog::audit::{AuditStore, Draft};

    fn verify(conn: &mut SqliteConnection, anchor: Option<&AuditHead>) -> AuditVerification {
        let mut chain = Chain::new(conn.audit_ends().unwrap(), anchor);
        let rows = conn.audit_chain(chain.next(), 1_000).unwrap();
        let _ = rows.iter().all(|row| chain.follow(row));
        chain.end()
    }

    /// Retention takes the oldest away, and what is left is verified from there on.
    #[test]
    fn what_is_left_after_pruning_is_verified() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        conn.catalog_open(Uuid::now_v7()).unwrap();
        let by = Principal::user("admin".parse().unwrap());
        // One of an old date behind a newer one, as after a clock was set: it stays as long as that one.
        for at in [100, 200, 300, 150, 400] {
            let note = AuditNote::new("test.note").unwrap();
            let draft = Draft {
                at,
                ..Draft::new(&by, &note)
            };
            conn.audit_append(&[draft]).unwrap();
        }
        let second = conn.audit_chain(2, 1).unwrap().remove(0);
        let anchor = AuditHead {
            seq: 2,
            hash: second.digest(),
        };
        assert_eq!(conn.audit_prune(250, &by).unwrap(), 2);
        assert_eq!(conn.audit_prune(250, &by).unwrap(), 0);
        let verified = verify(&mut conn, Some(&anchor));
        assert_eq!((verified.first, verified.last, verified.sound), (3, 6, 4));
        assert_eq!(verified.fault, None);
        let other = AuditHead {
            hash: [1; 32],
            ..anchor
        };
        let fault = Some(AuditFault::Disowned { seq: 2 });
        assert_eq!(verify(&mut conn, Some(&other)).fault, fault);
        let older = AuditHead { seq: 1, ..other };
        let fault = Some(AuditFault::AnchorPruned { seq: 1 });
        assert_eq!(verify(&mut conn, Some(&older)).fault, fault);
        let pruned = conn.audit_chain(6, 1).unwrap().remove(0);
        assert_eq!(pruned.action, "audit.prune");
        // What is left cannot be deleted.
        diesel::sql_query("DELETE FROM __tenants_audit")
            .execute(&mut conn)
            .unwrap_err();
        // A log that is all too old keeps the note of that.
        assert_eq!(conn.audit_prune(i64::MAX, &by).unwrap(), 4);
        let verified = verify(&mut conn, None);
        assert_eq!((verified.sound, verified.fault), (1, None));
    }
}
