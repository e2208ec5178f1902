namespace BillingMigration.Simulation;

/// <summary>One item that a commit has changed; an absent item has no image.</summary>
public sealed record ItemChange(string Table, ItemKey Key, Item? Before, Item? After);

/// <summary>What one write changed at one instant: one item, or all items of a transaction.</summary>
public sealed record Commit(long Sequence, DateTimeOffset Time, object? Caller, string Operation, IReadOnlyList<ItemChange> Changes);
