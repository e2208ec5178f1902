namespace BillingMigration.Tests.Source.Binlog;

/// <summary>A row event as the servers' tools print it: values by the number of their column, from 1, where the image has the column.</summary>
/// <param name="Verb"><c>INSERT INTO</c>, <c>UPDATE</c> or <c>DELETE FROM</c>.</param>
/// <param name="Table">With its database, as <c>db.table</c>.</param>
internal sealed record PrintedRow(string Verb, string Table)
{
    /// <summary>What stands behind WHERE.</summary>
    public SortedDictionary<int, string> Before { get; } = [];

    /// <summary>What stands behind SET.</summary>
    public SortedDictionary<int, string> After { get; } = [];
}
