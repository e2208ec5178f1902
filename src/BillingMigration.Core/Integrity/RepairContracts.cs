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

    /// <summary>The item has no row, and deleting was not allowed: nothing was written.</summary>
    DeleteNotAllowed,

    /// <summary>The item names no entity of the definition: whoever has written it must delete it.</summary>
    NotOfTheMigration,
}

/// <summary>What became of one difference.</summary>
/// <param name="Reason">Why nothing was written; else null.</param>
public sealed record RepairedItem(
    string Entity, string Key, string PartitionKey, string SortKey, RepairAction Action, RepairOutcome Outcome, string? Reason);
