using System.Collections.Immutable;
using BillingMigration.Model;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>Reads table descriptions from the source's data dictionary.</summary>
public static class SchemaInspector
{
    /// <summary>Describes the named tables; a table that is not there, or not visible to the account, is not in the result.</summary>
    /// <param name="tables">Table names; empty describes every base table of the database.</param>
    public static Task<ImmutableDictionary<string, TableSchema>> InspectAsync(
        MySqlConnection connection, string database, IReadOnlyCollection<string> tables, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
