using BillingMigration.Control;

namespace BillingMigration.Integrity;

public enum RepairOutcome
{
    /// <summary>The item is now what the row says.</summary>
    Repaired,

    /// <summary>It was so already: nothing was written.</summary>
    AlreadyEqual,

    /// <summary>The item is another one than the check has seen: nothing was written. Check again.</summary>
    ChangedSince,

    /// <summary>The row cannot be an item.</summary>
    RowRefused,
}

/// <summary>What became of one difference.</summary>
/// <param name="Reason">Why nothing was written; else null.</param>
public sealed record RepairedItem(
    string Entity, string Key, string PartitionKey, string SortKey, RepairAction Action, RepairOutcome Outcome, string? Reason);
