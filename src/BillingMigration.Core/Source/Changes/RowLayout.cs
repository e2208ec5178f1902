using BillingMigration.Model;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Source.Changes;

/// <summary>Holds the columns that rows in the stream have against those that the source's schema had when it was read.</summary>
internal static class RowLayout
{
    /// <exception cref="MigrationException"><c>TableLayoutUnknown</c>: a column is missing in the one or the other.</exception>
    public static void RequireSame(TableMap map, TableSchema table)
    {
        if (!map.HasNames)
        {
            // Count and types are all that can be compared, and whoever binds the rows compares them.
            return;
        }

        var stream = map.Columns.Select(c => c.Name!).Where(name => !IsHidden(name)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        if (table.Columns.FirstOrDefault(c => !stream.Contains(c.Name)) is { } missing)
        {
            throw RowDecoder.Unknown(map, $"they have no column {missing.Name}");
        }

        stream.ExceptWith(table.Columns.Select(c => c.Name));
        if (stream.Count > 0)
        {
            throw RowDecoder.Unknown(map, $"they have a column {stream.First()}, which the schema does not have");
        }
    }

    /// <summary>Columns that the servers make for an index on an expression, and for a unique key over long texts: no schema shows them.</summary>
    private static bool IsHidden(string name) =>
        name.StartsWith("!hidden!", StringComparison.Ordinal) || name.StartsWith("DB_ROW_HASH_", StringComparison.Ordinal);
}
